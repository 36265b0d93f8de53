#!/bin/sh
# tile_spills.sh OBJECT...: checks that the compiler kept the sums of the tiles (GEMM, convolution under a max
# pool) in registers, and what several multiply-adds need, in those of the object files that hold tiles. A tile
# that spills is still correct, but several times slower, and no other test would notice. Without objdump
# (binutils) exits with 77: skipped.
set -eu
rules=$(cd "$(dirname "$0")" && pwd)/tile_spills.awk
if ! command -v objdump >/dev/null; then
  echo "skipped: there is no objdump (package binutils)"
  exit 77
fi
for object in "$@"; do
  case $object in
    *gemm_tile* | *conv_pool_simd*) objdump -d -C --no-show-raw-insn "$object" ;;
  esac
done | awk -f "$rules"
