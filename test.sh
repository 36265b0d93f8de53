#!/bin/sh
# Installs what is missing, builds everything, and runs all tests. Options go to ctest.
#   ./test.sh
#   ./test.sh -R gemm
set -eu
cd "$(dirname "$0")"
./cmake/build.sh all
exec ctest --test-dir build/release --output-on-failure --parallel "$(nproc)" "$@"
