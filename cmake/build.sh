#!/bin/sh
# build.sh TARGET: installs what is missing and brings TARGET up to date in build/release, the folder of
# the preset `release`. What was chosen there before (compiler, warnings as errors...) stays.
set -eu
cd "$(dirname "$0")/.."
./cmake/setup.sh
# Once there is a build.ninja, the build itself runs CMake again when that is needed.
[ -e build/release/build.ninja ] || cmake -S . -B build/release -G Ninja -D NNKERNELS_UNITY=ON --log-level=NOTICE
cmake --build build/release --target "$1"
