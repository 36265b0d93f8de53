#!/bin/sh
# coverage.sh: which lines the tests run. Builds with g++ --coverage in build/coverage, runs all tests there but the random
# campaigns, the soak and those of the project as a whole, and prints a table of the sources; build/coverage/lines.html
# shows every line.
# Exit status: 1 unless they run 90 % of all lines, and 95 % of those that read files or keep what was trained.
set -eu
cd "$(dirname "$0")/.."
build=build/coverage
./cmake/setup.sh coverage
cmake --preset coverage --log-level=NOTICE
cmake --build --preset coverage
find $build -name '*.gcda' -delete
# A program under a limit of file sizes cannot write its counts either, and a test reads its standard error.
export GCOV_ERROR_FILE=/dev/null
ctest --test-dir $build --output-on-failure --no-tests=error --parallel "$(nproc)" -E '^(project\.|oracle\.|soak)'

# Counts once; then the tables are made from that. Tests and fuzzers judge, and are not judged here.
gcovr --root . --object-directory $build $build --exclude-throw-branches --json $build/lines.json \
  --filter 'kernels/' --filter 'nn/' --filter 'cli/' --filter 'bench/' --filter 'blas/' -j "$(nproc)"
table() { gcovr --root . --add-tracefile $build/lines.json "$@"; }
table --html-details $build/lines.html
printf '\nReaders, model files and checkpoints:\n'
status=0
table --filter 'nn/data/' --filter 'nn/checkpoint' --filter 'nn/model_' --filter 'nn/weight_' --filter 'nn/onnx' \
  --filter 'nn/file' --filter 'cli/config_file' --filter 'cli/run_' --fail-under-line 95 || status=1
printf '\nAll:\n'
table --fail-under-line 90 || status=1
exit $status
