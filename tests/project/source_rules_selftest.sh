#!/bin/sh
# source_rules_selftest.sh: shows that source_rules.sh finds what it looks for. Each case plants one line in
# a small tree that is otherwise clean.
set -eu
rules=$(cd "$(dirname "$0")" && pwd)/source_rules.sh
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
failures=0

make_clean_tree() {
  rm -rf "$tree"
  mkdir -p "$tree/kernels" "$tree/nn/data" "$tree/cli" "$tree/bench" "$tree/blas" "$tree/fuzz" "$tree/tests/nn" "$tree/cmake" "$tree/.ci"
  cd "$tree"
  echo '{}' >CMakePresets.json
  echo '# no -march=native, see cmake/compiler.cmake' >CMakeLists.txt
  echo 'set(flags -O2)' >cmake/compiler.cmake
  touch train.sh test.sh
  echo '#include <vector>' >kernels/gemm.h
  printf '#include "kernels/gemm.h"\n#include <oneapi/tbb/task_arena.h>\n' >kernels/parallel.cc
  printf '#include "hwy/highway.h"\n' >kernels/simd-inl.h
  printf '#include "kernels/simd-inl.h"\n#include "hwy/foreach_target.h"\ntemplate int size(const Tiles<float>&, int);\n' >kernels/gemm.cc
  printf '#include "kernels/gemm.h"\n#include "nn/tensor.h"\n' >nn/affine.h
  printf '#include <zlib.h>\n#include <libdeflate.h>\n#include <png.h>\n' >nn/data/idx.cc
  printf '#include <nlohmann/json.hpp>\n' >nn/model_file.cc
  printf '#include <CLI/CLI.hpp>\n#include "cli/train.h"\n#include "nn/affine.h"\n' >cli/options.cc
  printf '#include <benchmark/benchmark.h>\n#include "nn/affine.h"\n' >bench/main.cc
  printf '#include "fuzz/targets.h"\n#include "nn/affine.h"\n#include "cli/train.h"\n' >fuzz/targets.cc
  printf '#include <gtest/gtest.h>\n#include <zlib.h>\n#include "cli/train.h"\n' >tests/nn/idx_test.cc
}

# expect clean|caught FILE LINE
expect() {
  make_clean_tree
  printf '%s\n' "$3" >>"$2"
  verdict=clean
  output=$(sh "$rules" "$tree") || verdict=caught
  case $verdict:$output in
    clean:) ;;
    caught:"$2":*) ;;
    *) verdict="confused: $output" ;;
  esac
  if [ "$verdict" != "$1" ]; then
    echo "expected $1, got $verdict: '$3' in $2"
    failures=$((failures + 1))
  fi
}

expect clean nn/affine.h ''
expect clean nn/affine.h '// #include "cli/train.h"'
expect clean cmake/compiler.cmake '# -ffast-math is not for us'
expect caught kernels/gemm.cc '#include "nn/tensor.h"'
expect caught kernels/gemm.cc '#include <oneapi/tbb/parallel_for.h>'
expect caught kernels/gemm.cc '  #  include <tbb/tbb.h>'
expect caught kernels/gemm.cc '#include "gemm.h"'
expect caught kernels/gemm.cc '#include "../nn/tensor.h"'
expect caught kernels/gemm.cc '#pragma GCC optimize("fast-math")'
expect caught kernels/gemm.h '#include <hwy/highway.h>'
expect caught kernels/gemm.h '#include <oneapi/tbb.h>'
expect caught kernels/gemm.h '#include <zlib.h>'
expect caught nn/model_exchange.cc '#include <libdeflate.h>'
expect caught nn/affine.h '#include "cli/train.h"'
expect caught nn/affine.h '#include "bench/report.h"'
expect caught blas/blas.cc '#include "nn/affine.h"'
expect caught nn/affine.h '#include <nlohmann/json.hpp>'
expect caught nn/affine.h '#include "hwy/highway.h"'
expect caught nn/model_file.cc '#include <CLI/CLI.hpp>'
expect caught nn/data/idx.cc '#include <tbb/task_arena.h>'
expect caught nn/data/idx.cc '#include <gtest/gtest.h>'
expect caught cli/options.cc '#include <nettle/sha2.h>'
expect caught cli/options.cc '#include "tests/support/each_simd.h"'
expect caught cli/options.cc '#include <benchmark/benchmark.h>'
expect caught bench/main.cc '#include "cli/options.h"'
expect caught bench/main.cc '#include <CLI/CLI.hpp>'
expect caught CMakeLists.txt 'add_compile_options(-march=native)'
expect caught cmake/compiler.cmake 'set(flags -O3 -ffast-math)'
expect caught CMakePresets.json '{"CMAKE_CXX_FLAGS": "-Ofast"}'
expect caught test.sh 'CXXFLAGS=-march=x86-64-v3 ./cmake/build.sh'
twice='template int size<float>(const Tiles<float>&,
    int);'
expect caught kernels/parallel.cc "$twice"
expect clean kernels/gemm.cc "$twice"
expect clean nn/affine.h "$twice"
expect clean kernels/parallel.cc 'template int size(const Tiles<double>&, int);'
expect clean kernels/parallel.cc 'template int sizes(const Tiles<float>&, int);'
[ "$failures" -eq 0 ]
