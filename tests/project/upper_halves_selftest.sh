#!/bin/sh
# upper_halves_selftest.sh: shows that upper_halves.awk finds what it looks for, in code as objdump prints it.
set -eu
rules=$(cd "$(dirname "$0")" && pwd)/upper_halves.awk
tab=$(printf '\t')

# code INSTRUCTION...: a function of these instructions.
code() {
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
  code "$kUse" 'vzeroupper' | expect clean 'a function that clears'
  code "$kUse" 'nop' | expect caught 'a function that does not'
  code 'vzeroupper' "$kUse" | expect caught 'a function that clears before'
  code "$kUse" 'vzeroupper' 'ret' "$kUse" | expect caught 'the second of two ends'
  code "$kUse" 'repz ret' 'vzeroupper' | expect caught 'a return with a prefix'
  code "$kUse" 'jmp    620 <Run+0x20>' 'nop' | expect clean 'an end of another way through'
  code 'vaddps %ymm15,%ymm15,%ymm15' 'nop' | expect caught 'register 15, of 256 bits'
  { code 'vmovups (%rdx),%zmm16' 'nop' && code "$kUse" 'vzeroupper'; } |
    expect clean 'register 16'
  { code 'vmovups (%rdx),%xmm0' 'nop' && code "$kUse" 'vzeroupper'; } |
    expect clean '128 bits'
  { code "$kUse" 'nop' && code "$kUse" 'vzeroupper'; } | expect caught 'the first of two'
  code 'vmovups (%rdx),%xmm0' | expect caught 'no wide vectors at all'
)
if [ -n "$wrong" ]; then
  echo "$wrong"
  exit 1
fi
