#!/bin/sh
# tile_spills_selftest.sh: shows that tile_spills.awk finds what it looks for, in code as objdump prints it.
set -eu
rules=$(cd "$(dirname "$0")" && pwd)/tile_spills.awk
tab=$(printf '\t')

# tile NAME INSTRUCTION: a tile of 2 x 1 whose k loop holds INSTRUCTION besides its two multiply-adds.
tile() {
  cat <<END
0000000000000600 <void nnkernels::$1<hwy::N_AVX3::Simd<float, 16ul, 0>, 2, 1, true, false, float>(nnkernels::detail::Tile<float> const&)>:
     600:${tab}push   %rbp
     601:${tab}mov    %rsp,%rbp
     604:${tab}vmovaps %zmm5,0x40(%rsp)
     608:${tab}vmovups (%rdx),%zmm0
     60c:${tab}vfmadd231ps (%rsi){1to16},%zmm0,%zmm1
     610:${tab}$2
     614:${tab}vfmadd231ps 0x4(%rsi){1to16},%zmm0,%zmm2
     618:${tab}cmp    %rcx,%rax
     61c:${tab}jne    608 <void nnkernels::$1<hwy::N_AVX3::Simd<float, 16ul, 0>, 2, 1, true, false, float>+0x8>
     620:${tab}vmovaps 0x40(%rsp),%zmm5
     624:${tab}jmp    600 <void nnkernels::$1<hwy::N_AVX3::Simd<float, 16ul, 0>, 2, 1, true, false, float>>
END
}

# windows INSTRUCTION: the same for one window of a convolution, four rows.
windows() {
  tile 'N_AVX3::(anonymous namespace)::RunWindows' "$1" | sed '
    s/, 2, 1, true, false, float>/, 1, 1, float>/
    /614:/p
    /614:/p'
}

# dots OPERAND OPERAND: two rows along k, whose multiply-adds take OPERAND from the other matrix.
dots() {
  cat <<END
0000000000000600 <void nnkernels::N_AVX3::DotRows<2, 1, float>(float const*, long, float const* const (&) [1], long)>:
     608:${tab}vmovups (%rdi,%rax,4),%zmm1
     60c:${tab}vmovups (%rsi,%rax,4),%zmm0
     614:${tab}vfmadd231ps $1,%zmm1,%zmm4
     618:${tab}vfmadd231ps $2,%zmm0,%zmm8
     61c:${tab}jne    608 <void nnkernels::N_AVX3::DotRows<2, 1, float>+0x8>
END
}

# expect clean|caught WHAT < disassembly: says what went wrong, if something did.
expect() {
  verdict=clean
  output=$(awk -f "$rules") || verdict=caught
  [ "$verdict" = "$1" ] || echo "$2: expected $1, got $verdict: $output"
}

kTile='N_AVX3::(anonymous namespace)::RunTile'
wrong=$(
  # shellcheck disable=SC2016  # $0x40 is an operand
  tile "$kTile" 'add    $0x40,%rdx' | expect clean 'a loop without the stack, which is used around it'
  tile "$kTile" 'mov    0x18(%rsp),%rbx' | expect clean 'a pointer from the stack'
  tile "$kTile" 'vbroadcastss 0x18(%rsp),%zmm3' | expect clean 'a scalar from the stack'
  tile "$kTile" 'vmovaps %zmm3,0x80(%rsp)' | expect caught 'a vector to the stack'
  tile "$kTile" 'vmovups -0x80(%rbp),%zmm3' | expect caught 'a vector from the stack'
  tile "$kTile" 'vfmadd231ps 0x80(%rsp),%zmm0,%zmm3' | expect caught 'an operand on the stack'
  tile "$kTile" 'vmovups -0x80(%rbp),%zmm3' | sed '/mov    %rsp,%rbp/d' |
    expect clean '%rbp as any register'
  tile "$kTile" 'nop' | sed 's/, 2, 1,/, 3, 1,/' | expect caught 'no loop with all multiply-adds'
  tile "$kTile" 'vbroadcastss (%rsi),%zmm7' | sed '
    s/0x4(%rsi){1to16}/(%rdx)/
    s/(%rsi){1to16}/(%rdx)/
    s/vmovups (%rdx),%zmm0/vbroadcastss (%rsi),%zmm8/' | expect caught 'a row of B loaded twice'
  windows 'nop' | expect clean 'a window of four rows'
  windows 'vmovaps %zmm3,0x80(%rsp)' | expect caught 'a vector to the stack, in a window'
  windows 'nop' | sed 's/, 1, 1,/, 2, 1,/' | expect caught 'no loop with four multiply-adds a window'
  dots %zmm2 %zmm2 | expect clean 'a vector from a register for two multiply-adds'
  dots '(%r9,%rax,4)' '0x40(%r9,%rax,4)' | expect clean 'two vectors'
  dots '(%r9){1to16}' '(%r9){1to16}' | expect clean 'a number for two multiply-adds'
  dots '(%r9,%rax,4)' '(%r9,%rax,4)' | expect caught 'a vector loaded twice'
  dots %zmm2 %zmm2 | sed 's/<2, 1,/<3, 1,/' | expect caught 'too few multiply-adds for the rows'
  tile 'N_AVX3::(anonymous namespace)::Pack' 'vmovaps %zmm3,0x80(%rsp)' |
    expect caught 'no tile at all'
  {
    tile "$kTile" 'vmovaps %zmm3,0x80(%rsp)'
    tile "$kTile" 'nop'
  } | expect caught 'the first of two'
  # A shorter loop behind the one that spills, as for the last steps of k.
  tile "$kTile" 'vmovaps %zmm3,0x80(%rsp)' | sed '
    /620:/{
      s/.*/     61e:\tvfmadd231ps (%rsi){1to16},%zmm0,%zmm1\
     61f:\tvfmadd231ps 0x4(%rsi){1to16},%zmm0,%zmm2\
     620:\tjne    61e <void nnkernels::RunTile+0x1e>/
    }' | expect caught 'the longer of two loops'
)
echo "${wrong:-all as expected}"
[ -z "$wrong" ]
