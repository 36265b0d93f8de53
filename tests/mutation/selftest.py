#!/usr/bin/env python3
"""selftest.py [CMAKE [CXX]]: whether the mutation tool finds what it should, and tells the dead from the living.

The second half builds a project of one function and one test in a temporary folder.
"""
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
import operators  # noqa: E402
import tree  # noqa: E402

TOOLS = sys.argv[1:]


def found(source):
    return {(m.line, m.operator, m.before, m.after) for m in operators.mutants("a.cc", source, 1)}


class Operators(unittest.TestCase):
    def test_only_code_changes(self):
        source = "\n".join([
            "#include <a>", "#define TWO 1 + \\", "  1", "// a == b", "/* a <", " b */",
            "static_assert(1 < 2,", "  \"a\");", "template <class T, int n = 1>", "void f(int a,",
            "  int b);", "const char* s = \"a < 0\";", "char c = '0';", "const char* r = R\"(1 < 0)\";",
            "std::vector<int> v;", "template void f<0>(int);"])
        self.assertEqual(found(source), set())

    def test_each_operator(self):
        for line, operator, before, afters in [
                ("  return a < b;", "relation", "<", ["<=", ">="]),
                ("  return a == b;", "relation", "==", ["!="]),
                ("  return a && b;", "logic", "&&", ["||"]),
                ("  return a * b;", "arithmetic", "*", ["+", "/"]),
                ("  return x.size - y;", "arithmetic", "-", ["+"]),
                ("  a += b;", "arithmetic", "+=", ["-=", "="]),
                ("  return f(a, b);", "swapped", "a, b", ["b, a"]),
                ("  return 41;", "constant", "41", ["42"]),
                ("  return 0.5;", "constant", "0.5", ["1.5"]),
                ("  return std::min(a(), b);", "function", "min", ["max"]),
                ("  return s.stride_h;", "name", "stride_h", ["stride_w"]),
                ("  if (a) return;", "negated", "(a)", ["(!(a))"]),
                ("  if (a) return;", "never", "(a)", ["(false && (a))"]),
                ("  if (a) continue;", "deleted", "continue;", [";"]),
                ("  call(a);", "deleted", "call(a);", [";"]),
                ("  x[i] = y;", "deleted", "x[i] = y;", [";"])]:
            with self.subTest(line=line, operator=operator):
                mine = [m for m in found("{\n" + line) if m[1] == operator and m[2] == before]
                self.assertEqual(len(mine), 1)
                self.assertIn(mine[0][3], afters)

    def test_declarations_stay(self):
        for line in ["  const int x = y;", "  std::vector<int> x(y);", "  T* p = q;", "  return f(x);"]:
            self.assertNotIn("deleted", {m[1] for m in found("{\n" + line)}, line)

    def test_application_and_choice(self):
        source = "\n".join(["int f(int a) {"] + [f"  if (a < {i}) return {i};" for i in range(2, 40)])
        one, other = (operators.mutants("a.cc", source, seed) for seed in (1, 2))
        for m in one:
            changed = m.apply(source).split("\n")
            differ = [i for i, l in enumerate(source.split("\n"), 1) if l != changed[i - 1]]
            self.assertEqual(differ, [m.line], m.name)
        names = [[m.name for m in operators.choose(c, 10, 10)] for c in (one, one, other)]
        self.assertEqual(names[0], names[1])
        self.assertNotEqual(names[0], names[2])
        self.assertEqual(len({m.line for m in operators.choose(one, 10, 10)}), 10)
        self.assertEqual(len(operators.choose(one, 10, 3)), 3)
        below = operators.mutants("a.cc", "\n\n" + source, 1)  # lines above change no choice
        self.assertEqual([m.line + 2 for m in operators.choose(one, 10, 10)],
                         [m.line for m in operators.choose(below, 10, 10)])


PROJECT = {
    "CMakeLists.txt": """cmake_minimum_required(VERSION 3.25)
project(sample LANGUAGES CXX)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR})
add_library(kernels SHARED kernels/sum.cc)
target_include_directories(kernels PUBLIC .)
add_executable(sum_test test.cc)
target_link_libraries(sum_test kernels)
""",
    "kernels/step.h": "inline int step(int i) {\n  return i + 1;\n}\n",
    "kernels/sum.cc": """#include "kernels/step.h"
int sum(const int* x, int n) {
  int s = 0, reserve = 16;
  if (n > 1000) reserve = 32;
  for (int i = 0; i < n; i = step(i)) {
    s += x[i];
  }
  (void)reserve;
  return n > 2000 ? 2 * s : s;
}
""",
    "test.cc": """int sum(const int*, int);
int main() {
  const int x[] = {3, 4, 5, 100};
  return sum(x, 3) == 12 && sum(x, 0) == 0 ? 0 : 1;
}
""",
    "tests.map": "# sources: tests\nkernels/*: sum_test\n"}


class Trees(unittest.TestCase):
    def test_states(self):
        if not TOOLS:
            self.skipTest("no CMake named")
        with tempfile.TemporaryDirectory() as name:
            root = pathlib.Path(name)
            for file, text in PROJECT.items():
                (root / file).parent.mkdir(exist_ok=True)
                (root / file).write_text(text)
            build = root / "build"
            compiler = [f"-DCMAKE_CXX_COMPILER={TOOLS[1]}"] if TOOLS[1:] else []
            for command in ([TOOLS[0], "-G", "Ninja", "-S", root, "-B", build, "-DCMAKE_BUILD_TYPE=Release",
                             "-DCMAKE_CXX_FLAGS_RELEASE=-O1", *compiler],
                            [TOOLS[0], "--build", build]):
                subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            before = {p: os.stat(p).st_mtime_ns for p in build.rglob("*") if p.is_file()
                      and p.name[0] != "."}
            project = tree.Tree(root, build, root / "tests.map")
            self.assertEqual(project.tests("kernels/sum.cc"), ["sum_test"])
            self.assertEqual(project.tests("nn/other.cc"), [])
            project.measure("sum_test")  # raises an exception if the unchanged sum fails
            for file, line, before_text, after, state in [
                    ("kernels/sum.cc", 6, "+=", "-=", "killed"),
                    ("kernels/sum.cc", 5, "<", "<=", "killed"),
                    ("kernels/sum.cc", 9, "2 * s", "3 * s", "survived"),
                    ("kernels/sum.cc", 4, "32", "64", "same code"),
                    ("kernels/sum.cc", 9, "s : s", "s : y", "no code"),
                    ("kernels/step.h", 2, "+", "-", "killed"),
                    ("kernels/step.h", 2, "+ 1", "+ 0", "killed")]:  # never ends
                text = PROJECT[file].split("\n")[line - 1]
                mutant = operators.Mutant(file, line, text.index(before_text), "test", before_text,
                                          after, text.strip())
                project.seconds["sum_test"] = -0.8  # leaves 2 s
                with self.subTest(mutant=mutant):
                    result = project.try_mutant(mutant)
                    self.assertEqual(result.state, state, result.detail)
            after = {p: os.stat(p).st_mtime_ns for p in before}
            self.assertEqual(before, after, "the build has been touched")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
