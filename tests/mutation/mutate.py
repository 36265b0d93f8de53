#!/usr/bin/env python3
"""Changes the sources by one small mistake at a time and looks whether the tests notice.

  mutate.py list                         the mutants that a run would try
  mutate.py run [--results FILE]         tries them; goes on where an earlier run with FILE stopped
  mutate.py retry [--results FILE]       tries those again that have survived, but for the equivalent
  mutate.py report [--results FILE]      the table by folder, and the survivors
  mutate.py try FILE:LINE:COLUMN:OPERATOR...   these alone, named as `list` and `report` do

Before `run` and `try`: cmake --workflow --preset mutation
docs/mutation.md says what comes out.
"""
import argparse
import concurrent.futures
import csv
import fnmatch
import pathlib
import sys
import threading
import time

sys.dont_write_bytecode = True
import operators  # noqa: E402
import tree  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
COLUMNS = ["file", "line", "column", "operator", "before", "after", "text", "state", "seconds",
           "detail"]
# Group: sources, how many mutants, how many of one file at most. The first group that fits counts.
READERS = ["nn/data/*.cc", "nn/checkpoint.cc", "nn/model_file.cc", "nn/tensor_file.cc",
           "nn/weight_file.cc", "nn/weight_layout.cc", "nn/weight_match.cc", "nn/model_exchange.cc",
           "nn/onnx.cc", "nn/protobuf.cc"]
GROUPS = [("readers", READERS, 110, 8), ("nn", ["nn/*.cc"], 110, 8),
          ("kernels", ["kernels/*.cc", "kernels/*-inl.h"], 125, 8)]


def group_of(file):
    for name, patterns, _, _ in GROUPS:
        if any(fnmatch.fnmatchcase(file, p) for p in patterns):
            return name
    return None


def mapped(file):
    patterns = [line.partition(": ")[0]
                for line in (pathlib.Path(__file__).parent / "tests.map").read_text().splitlines()
                if ": " in line and not line.startswith("#")]
    return any(fnmatch.fnmatchcase(file, p) for p in patterns)


def all_mutants(seed, only="*"):
    found = []
    for path in sorted(ROOT.glob("kernels/*")) + sorted(ROOT.glob("nn/**/*.cc")):
        file = path.relative_to(ROOT).as_posix()
        if group_of(file) and mapped(file) and fnmatch.fnmatchcase(file, only):
            found += operators.mutants(file, path.read_text(), seed)
    return found


def selection(arguments):
    found = all_mutants(arguments.seed, arguments.only)
    chosen = []
    for name, _, count, most in GROUPS:
        candidates = [m for m in found if group_of(m.file) == name]
        chosen += operators.choose(candidates, max(1, round(count * arguments.scale)), most)
    return chosen


def identity(row):
    return row["file"], row["text"], int(row["column"]), row["operator"], row["after"]


def key_of(mutant):
    return mutant.file, mutant.text, mutant.column, mutant.operator, mutant.after


def read_results(path):
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file, COLUMNS, delimiter="\t", quoting=csv.QUOTE_NONE))


def row_of(mutant, result, seconds):
    detail = " ".join(result.detail.split())[:300]
    return [mutant.file, mutant.line, mutant.column, mutant.operator, mutant.before, mutant.after,
            mutant.text, result.state, f"{seconds:.1f}", detail]


def try_all(mutants, arguments, note):
    """Tries the mutants, `jobs` at once; note(mutant, result, seconds) after each."""
    build = tree.Tree(ROOT, arguments.build)
    tests = arguments.tests.split() if arguments.tests else None
    lock = threading.Lock()

    def one(mutant):
        start = time.monotonic()
        result = build.try_mutant(mutant, tests)
        with lock:
            note(mutant, result, time.monotonic() - start)

    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        for done in [pool.submit(one, m) for m in mutants]:
            done.result()


def run(arguments):
    """Rows are added, never changed: the last one of a mutant counts."""
    last = {identity(row): row for row in read_results(arguments.results)}
    if arguments.command == "retry":
        known, nearest = equivalents(), {}
        for m in all_mutants(arguments.seed):  # a line may be there twice, and may have moved
            row = last.get(key_of(m))
            if row is None or not is_survivor(row, known):
                continue
            before = nearest.setdefault(key_of(m), m)
            if abs(m.line - int(row["line"])) < abs(before.line - int(row["line"])):
                nearest[key_of(m)] = m
        mutants = list(nearest.values())
    else:
        mutants = [m for m in selection(arguments) if key_of(m) not in last]
    # The quick ones first, and each part at random: an early look sees something of everything.
    mutants.sort(key=lambda m: (group_of(m.file) == "kernels", m.key))
    arguments.results.parent.mkdir(parents=True, exist_ok=True)
    with arguments.results.open("a") as file:
        def note(mutant, result, seconds):
            row = row_of(mutant, result, seconds)
            print(*row, sep="\t", file=file, flush=True)
            print(f"{result.state:10} {seconds:5.1f} s  {mutant.name}  {mutant.before} -> "
                  f"{mutant.after}  {result.detail[:100]}", flush=True)
        try_all(mutants, arguments, note)
    return report(arguments)


def try_some(arguments):
    by_name = {m.name: m for m in all_mutants(arguments.seed)}
    unknown = [name for name in arguments.names if name not in by_name]
    if unknown:
        raise SystemExit(f"no such mutant: {' '.join(unknown)}")
    survivors = []

    def note(mutant, result, seconds):
        print(f"{result.state:10} {seconds:5.1f} s  {mutant.name}  {result.detail[:200]}\n"
              f"    {mutant.text}\n    {mutant.before} -> {mutant.after}", flush=True)
        if result.state == "survived":
            survivors.append(mutant)
    try_all([by_name[name] for name in arguments.names], arguments, note)
    return 1 if survivors else 0


def equivalents():
    """What changes nothing that may be observed: (file, text, before, after) and why."""
    found, reason = {}, ""
    for line in (pathlib.Path(__file__).parent / "equivalent.txt").read_text().splitlines():
        if line.startswith("## "):
            reason = line[3:]
        elif line.count("\t") == 3:
            found[tuple(line.split("\t"))] = reason
    return found


def is_survivor(row, known):
    return (row["state"] == "survived"
            and (row["file"], row["text"], row["before"], row["after"]) not in known)


def report(arguments):
    known, table, survivors, first, last = equivalents(), {}, [], {}, {}
    for row in read_results(arguments.results):
        first.setdefault(identity(row), row)
        last[identity(row)] = row
    for row in last.values():
        state = row["state"]
        if is_survivor(row, known):
            survivors.append(row)
        elif state == "survived":
            state = "equivalent"
        for name in (group_of(row["file"]), "all"):
            counts = table.setdefault(name, dict.fromkeys(
                ["killed", "survived", "equivalent", "same code", "no code"], 0))
            counts[state] += 1
    print("| part | mutants | killed | survived | equivalent | killed of all | killed of not "
          "equivalent |\n|---|---|---|---|---|---|---|")
    for name in [group[0] for group in GROUPS] + ["all"]:
        if name not in table:
            continue
        n = table[name]
        counted = n["killed"] + n["survived"] + n["equivalent"]
        real = n["killed"] + n["survived"]
        print(f"| {name} | {counted} | {n['killed']} | {n['survived']} | {n['equivalent']} | "
              f"{100 * n['killed'] / max(1, counted):.1f} % | "
              f"{100 * n['killed'] / max(1, real):.1f} % |")
    if "all" in table:
        print(f"\nNot counted: {table['all']['no code']} that did not compile, "
              f"{table['all']['same code']} that compiled to the same code.")
        since = sum(row["state"] == "survived" and last[key]["state"] == "killed"
                    for key, row in first.items())
        print(f"Survived when first tried, and killed since: {since}.")
    for row in survivors:
        print(f"\n{row['file']}:{row['line']}:{row['column']}:{row['operator']}\n    {row['text']}\n"
              f"    {row['before']} -> {row['after']}")
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["list", "run", "retry", "report", "try"])
    parser.add_argument("names", nargs="*", help="for `try`")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--scale", type=float, default=1.0, help="of the numbers of mutants")
    parser.add_argument("--only", default="*", metavar="GLOB", help="sources, e.g. 'nn/data/*'")
    parser.add_argument("--tests", help="these instead of what tests.map says")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--build", default=ROOT / "build/mutation", type=pathlib.Path)
    parser.add_argument("--results", type=pathlib.Path,
                        default=ROOT / "build/mutation/mutants.tsv")
    arguments = parser.parse_args()
    if arguments.command == "list":
        for m in selection(arguments):
            print(f"{m.name}\n    {m.text}\n    {m.before} -> {m.after}")
        return 0
    return {"run": run, "retry": run, "report": report, "try": try_some}[arguments.command](arguments)


if __name__ == "__main__":
    sys.exit(main())
