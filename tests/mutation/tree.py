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


def limits():
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_SIZE, FILE_SIZE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def run(command, cwd, seconds, environment=None, limited=False):
    """Exit status and output; None if it took longer. Ends what the command has started, too."""
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=output,
                                   stderr=subprocess.STDOUT, env=environment,
                                   start_new_session=True, preexec_fn=limits if limited else None)
        try:
            status = process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            status = None
        finally:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()
        output.seek(0)
        return status, output.read(1 << 20).decode(errors="replace")


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
        for library in self._ninja("-t", "targets", "all").splitlines():
            if library.partition(":")[0].endswith(".so"):
                library = library.partition(":")[0]
                command = self._ninja("-t", "commands", library).splitlines()[-1]
                words = shlex.split(command.removeprefix(": && ").removesuffix(" && :"))
                self.libraries[library] = words
        self.map = []
        for line in tests_map.read_text().splitlines():
            pattern, colon, tests = line.partition(": ")
            if colon and not line.startswith("#"):
                self.map.append((pattern, tests.split()))
        self.seconds = {}  # how long a test of the build takes
        self.unchanged = {}  # objects of the build's sources, to compare with
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
            elif line.strip().startswith(str(self.root) + "/") and target in self.compile:
                file = line.strip()[len(str(self.root)) + 1:]
                found.setdefault(file, []).append(target)
        return found

    def tests(self, file):
        for pattern, tests in self.map:
            if fnmatch.fnmatchcase(file, pattern):
                stem = pathlib.Path(file).stem
                # With %s a source may have no test of its name.
                return [t.replace("%s", stem) for t in tests if "%s" not in t
                        or (self.build / t.replace("%s", stem)).exists()]
        return []

    def run_test(self, test, folder, library_path, seconds):
        name, *arguments = test.split(":")
        environment = dict(os.environ, TMPDIR=str(folder), GTEST_FAIL_FAST="1", GTEST_BRIEF="1",
                           LD_LIBRARY_PATH=library_path)
        return run([str(self.build / name), *arguments], folder, seconds, environment, limited=True)

    def measure(self, tests):
        """Runs the tests as they are: they must pass, and what they take bounds what a mutant may."""
        for test in tests:
            if test in self.seconds:
                continue
            with tempfile.TemporaryDirectory() as folder:
                start = time.monotonic()
                status, output = self.run_test(test, folder, "", 600)
                self.seconds[test] = time.monotonic() - start
            if status != 0:
                raise SystemExit(f"{test} fails without any mutant:\n{output[-2000:]}")

    def _compile(self, target, overlay, output):
        words, source = self.compile[target]
        words = list(words)
        words[words.index("-o") + 1] = str(output)
        relative = os.path.relpath(source, self.root)
        if (overlay / relative).exists():
            words[words.index(source)] = str(overlay / relative)
        words[1:1] = ["-w", f"-I{overlay}"]
        return run(words, self.build, 600)

    def _stripped(self, file):
        run(["strip", "-o", f"{file}.s", str(file)], self.build, 60)
        return pathlib.Path(f"{file}.s").read_bytes()

    def _same_code(self, mutant_file, target, source_text, compiled):
        """Whether the compiler makes of the mutant what it makes of the source."""
        with self.lock:
            known = self.unchanged.get(target)
        if known is None:
            with tempfile.TemporaryDirectory() as folder:
                overlay = pathlib.Path(folder)
                (overlay / mutant_file).parent.mkdir(parents=True)
                (overlay / mutant_file).write_text(source_text)
                self._compile(target, overlay, overlay / "o")
                known = self._stripped(overlay / "o")
            with self.lock:
                self.unchanged[target] = known
        return self._stripped(compiled) == known

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
                status, output = self._compile(target, overlay, objects[target])
                if status != 0:
                    first = next((l for l in output.splitlines() if "error" in l), output[-200:])
                    return Result("no code", first)
            if all(self._same_code(mutant.file, t, source, o) for t, o in objects.items()):
                return Result("same code")
            for library, words in self.libraries.items():
                if not any(t in words for t in targets):
                    continue
                words = [str(objects.get(w, w)) for w in words]
                words[words.index("-o") + 1] = str(folder / pathlib.Path(library).name)
                words.append("-Wl,-z,defs")  # a template that nobody instantiates any more
                status, output = run(words, self.build, 600)
                if status != 0:
                    return Result("no code", output[-200:])
            (folder / "run").mkdir()
            for test in self.tests(mutant.file) if tests is None else tests:
                limit = 20 + 6 * self.seconds[test]
                status, output = self.run_test(test, folder / "run", str(folder), limit)
                if status is None:
                    return Result("killed", f"{test}: no end within {limit:.0f} s")
                if status != 0:
                    failed = [l for l in output.splitlines() if "FAILED" in l or "rror" in l]
                    return Result("killed", f"{test}: {failed[0] if failed else f'status {status}'}")
            return Result("survived")
        finally:
            shutil.rmtree(folder, ignore_errors=True)
