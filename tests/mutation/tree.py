"""The build of the preset `mutation`, and a mutant in it: its objects, its library, its tests.

The build itself is never touched. A mutant is a folder with the one source that differs, which the
compiler sees before the project (-I), the objects that include it, and the shared library made of
them and of the build's other objects, which the tests of the build are then run with
(LD_LIBRARY_PATH). So several mutants can be tried at once, and none compiles or links a test.
"""
import fnmatch
import json
import os
import pathlib
import resource
import shlex
import shutil
import signal
import subprocess
import tempfile
import threading
import time

MEMORY = 6 << 30
FILE_SIZE = 1 << 30


class Result:
    def __init__(self, state, detail=""):
        self.state, self.detail = state, detail


class Ended:
    """What became of a command: exit status (None: too long), output, seconds on the processor."""
    def __init__(self, status, output, seconds):
        self.status, self.output, self.seconds = status, output, seconds


def run(command, cwd, wall_seconds=1200, cpu_seconds=None, environment=None):
    """Runs the command, with limits if `cpu_seconds` says so, and ends what it has started, too."""
    def limits():
        for what, most in ((resource.RLIMIT_AS, MEMORY), (resource.RLIMIT_FSIZE, FILE_SIZE),
                           (resource.RLIMIT_CORE, 0), (resource.RLIMIT_CPU, int(cpu_seconds) + 1)):
            resource.setrlimit(what, (most, most))
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=output,
                                   stderr=subprocess.STDOUT, env=environment,
                                   start_new_session=True, preexec_fn=limits if cpu_seconds else None)
        waited, before = 0.0, time.monotonic()
        while True:
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid != 0:
                break
            if waited > wall_seconds:
                os.killpg(process.pid, signal.SIGKILL)
                _, status, usage = os.wait4(process.pid, 0)
                break
            time.sleep(0.01)
            now = time.monotonic()
            waited += min(now - before, 0.1)  # more: we were stopped, and so was the command
            before = now
        process.returncode = os.waitstatus_to_exitcode(status)
        try:
            os.killpg(process.pid, signal.SIGKILL)  # what it has left behind
        except ProcessLookupError:
            pass
        output.seek(0)
        seconds = usage.ru_utime + usage.ru_stime
        late = waited > wall_seconds or (cpu_seconds and seconds >= int(cpu_seconds))
        return Ended(None if late and process.returncode < 0 else process.returncode,
                     output.read(1 << 20).decode(errors="replace"), seconds)


class Tree:
    def __init__(self, root, build, tests_map=pathlib.Path(__file__).parent / "tests.map"):
        self.root = pathlib.Path(root).resolve()
        self.build = pathlib.Path(build).resolve()
        self.compile = {}
        for entry in json.loads((self.build / "compile_commands.json").read_text()):
            words = shlex.split(entry["command"])
            start = next(i for i, word in enumerate(words) if word.startswith("-"))
            words = words[start - 1:]  # without what launches the compiler
            self.compile[words[words.index("-o") + 1]] = (words, entry["file"])
        self.dependents = self._dependents()
        self.libraries = {}
        for line in self._ninja("-t", "targets", "all").splitlines():
            library, _, rule = line.partition(": ")
            if library.endswith(".so") and rule != "phony":
                command = self._ninja("-t", "commands", library).splitlines()[-1]
                words = shlex.split(command.removeprefix(": && ").removesuffix(" && :"))
                self.libraries[library] = words
        self.map = []
        for line in tests_map.read_text().splitlines():
            pattern, colon, tests = line.partition(": ")
            if colon and not line.startswith("#"):
                self.map.append((pattern, tests.split()))
        self.seconds = {}  # that a test of the build takes on the processor
        self.record = self.build / "test_seconds.json"
        self.lock = threading.Lock()

    def _ninja(self, *arguments):
        return subprocess.run(["ninja", "-C", self.build, "--quiet", *arguments], check=True,
                              capture_output=True, text=True).stdout

    def _dependents(self):
        """The objects that each file goes into, by its name from the root."""
        found, target = {}, None
        for line in self._ninja("-t", "deps").splitlines():
            if line and line[0] != " ":
                target = line.partition(":")[0]
            elif line.strip() and target in self.compile:
                path = os.path.normpath(self.build / line.strip())  # some are relative to the build
                if path.startswith(str(self.root) + "/"):
                    found.setdefault(path[len(str(self.root)) + 1:], []).append(target)
        return found

    def tests(self, file):
        for pattern, tests in self.map:
            if fnmatch.fnmatchcase(file, pattern):
                stem = pathlib.Path(file).stem
                # With %s a source may have no test of its name.
                return [t.replace("%s", stem) for t in tests if "%s" not in t
                        or (self.build / t.replace("%s", stem)).exists()]
        return []

    def run_test(self, test, folder, library_path, cpu_seconds):
        name, *arguments = test.split(":")
        environment = dict(os.environ, TMPDIR=str(folder), GTEST_FAIL_FAST="1", GTEST_BRIEF="1",
                           LD_LIBRARY_PATH=library_path)
        # By the clock: only for what waits for ever, since others may keep the machine busy.
        return run([str(self.build / name), *arguments], folder, 180 + 5 * cpu_seconds, cpu_seconds,
                   environment)

    def measure(self, test):
        """Runs the test as it is, once: it must pass, and its time bounds that of a mutant."""
        with self.lock:
            if test in self.seconds:
                return
            files = [self.build / f for f in [test.partition(":")[0], *self.libraries]]
            stamp = [f.stat().st_mtime_ns for f in files]
            known = json.loads(self.record.read_text()) if self.record.exists() else {}
            if known.get(test, [0, 0])[1] != stamp:
                with tempfile.TemporaryDirectory() as folder:
                    ended = self.run_test(test, folder, "", 600)
                if ended.status != 0:
                    raise RuntimeError(f"{test} fails without any mutant:\n{ended.output[-2000:]}")
                known[test] = ended.seconds, stamp
                self.record.write_text(json.dumps(known))
            self.seconds[test] = known[test][0]

    def _compile(self, target, overlay, output):
        words, source = self.compile[target]
        words = list(words)
        words[words.index("-o") + 1] = str(output)
        relative = os.path.relpath(source, self.root)
        if (overlay / relative).exists():
            words[words.index(source)] = str(overlay / relative)
        words[1:1] = ["-w", f"-I{overlay}"]
        return run(words, self.build)

    def _same_code(self, folder, target, compiled):
        """Whether the compiler makes of the mutant what it makes of the source."""
        ours, theirs = folder / "ours", folder / "theirs"
        for object_file, stripped in ((compiled, ours), (self.build / target, theirs)):
            run(["strip", "-o", str(stripped), str(object_file)], self.build)
        return ours.read_bytes() == theirs.read_bytes()

    def try_mutant(self, mutant, tests=None):
        """Result of state `no code` (does not compile), `same code`, `killed` or `survived`."""
        source = (self.root / mutant.file).read_text()
        targets = [t for t in self.dependents.get(mutant.file, [])
                   if any(t in words for words in self.libraries.values())]
        if not targets:
            raise SystemExit(f"{mutant.file} goes into no library of {self.build}")
        folder = pathlib.Path(tempfile.mkdtemp(prefix="mutant-"))
        try:
            overlay = folder / "overlay"
            (overlay / mutant.file).parent.mkdir(parents=True)
            (overlay / mutant.file).write_text(mutant.apply(source))
            objects = {}
            for i, target in enumerate(targets):
                objects[target] = folder / f"{i}.o"
                ended = self._compile(target, overlay, objects[target])
                if ended.status != 0:
                    lines = ended.output.splitlines()
                    first = next((l for l in lines if "error" in l), ended.output[-200:])
                    return Result("no code", first)
            if all(self._same_code(folder, t, o) for t, o in objects.items()):
                return Result("same code")
            for library, words in self.libraries.items():
                if not any(t in words for t in targets):
                    continue
                words = [str(objects.get(w, w)) for w in words]
                words[words.index("-o") + 1] = str(folder / pathlib.Path(library).name)
                words.append("-Wl,-z,defs")  # a template that nobody instantiates any more
                ended = run(words, self.build)
                if ended.status != 0:
                    return Result("no code", ended.output[-200:])
            (folder / "run").mkdir()
            tests = self.tests(mutant.file) if tests is None else tests
            for test in tests:
                self.measure(test)
            for test in sorted(tests, key=self.seconds.get):  # the quick ones may save the rest
                limit = 10 + 10 * self.seconds[test]
                ended = self.run_test(test, folder / "run", str(folder), limit)
                if ended.status is None:
                    return Result("killed", f"{test}: no end within {limit:.0f} s")
                if ended.status != 0:
                    failed = [l for l in ended.output.splitlines() if "FAILED" in l or "rror" in l]
                    why = failed[0] if failed else f"status {ended.status}"
                    return Result("killed", f"{test}: {why}")
            return Result("survived")
        finally:
            shutil.rmtree(folder, ignore_errors=True)
