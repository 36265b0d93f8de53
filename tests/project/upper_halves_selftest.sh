#!/bin/sh
# upper_halves_selftest.sh: shows that upper_halves.awk finds what it looks for, in code as objdump prints it.
set -eu
rules=$(cd "$(dirname "$0")" && pwd)/upper_halves.awk
tab=$(printf '\t')

# function INSTRUCTION...: one with these instructions.
function() {
  echo '0000000000000600 <void nnkernels::N_AVX3::Run<float>(float const*)>:'
  for instruction in "$@"; do echo "     604:$tab$instruction"; done
  echo "     610:${tab}ret"
}

# expect clean|caught WHAT < disassembly: says what went wrong, if something did.
expect() {
  verdict=clean
  output=$(awk -f "$rules") || verdict=caught
  [ "$verdict" = "$1" ] || echo "$2: expected $1, got $verdict: $output"
}

kUse='vmovups (%rdx),%zmm0'
wrong=$(
  function "$kUse" 'vzeroupper' | expect clean 'a function that clears'
  function "$kUse" 'nop' | expect caught 'a function that does not'
  function 'vaddps %ymm15,%ymm15,%ymm15' 'nop' | expect caught 'register 15, of 256 bits'
  { function 'vmovups (%rdx),%zmm16' 'nop' && function "$kUse" 'vzeroupper'; } |
    expect clean 'register 16'
  { function 'vmovups (%rdx),%xmm0' 'nop' && function "$kUse" 'vzeroupper'; } |
    expect clean '128 bits'
  { function "$kUse" 'nop' && function "$kUse" 'vzeroupper'; } | expect caught 'the first of two'
  function 'vmovups (%rdx),%xmm0' | expect caught 'no wide vectors at all'
)
if [ -n "$wrong" ]; then
  echo "$wrong"
  exit 1
fi
