#!/bin/sh
# source_rules.sh ROOT: checks the rules of CONTRIBUTING.md that no compiler checks: who may include what,
# which compiler flags nobody may set, and that no function is defined twice. Prints each violation; exit status 1 if there is one.
set -eu
rules=$(cd "$(dirname "$0")" && pwd)/source_rules.awk
cd "$1"
# ./build and its like hold copies of the sources (of this test among others).
find CMakeLists.txt CMakePresets.json train.sh test.sh .ci cmake kernels nn cli bench blas fuzz tests -type f \
  \( -name '*.h' -o -name '*.cc' -o -name CMakeLists.txt -o -name '*.cmake' -o -name CMakePresets.json \
  -o -name '*.sh' -o -path '.ci/*' \) ! -path 'tests/project/source_rules*' | sort | xargs awk -f "$rules"
