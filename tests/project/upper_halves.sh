#!/bin/sh
# upper_halves.sh OBJECT...: checks that functions which use more than 128 bits of vector registers 0 to 15 clear the
# upper halves before they return. Where a compiler forgets that, results are right, but all instructions of the
# baseline that follow, also those of whoever called, are slow on Intel's CPUs. Without objdump (binutils) exits with
# 77: skipped.
set -eu
rules=$(cd "$(dirname "$0")" && pwd)/upper_halves.awk
if ! command -v objdump >/dev/null; then
  echo "skipped: there is no objdump (package binutils)"
  exit 77
fi
objdump -d -C --no-show-raw-insn "$@" | awk -f "$rules"
