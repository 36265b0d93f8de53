#!/bin/sh
# memcheck.sh NNCLI SOURCE: trains, resumes, evaluates, predicts and refuses a damaged model under valgrind, which
# knows of every byte whether it was written and of every block whether it was freed. valgrind hides AVX-512, so
# kernels are those for AVX2. Exit status 77 without valgrind.
set -eu
nncli=$1
source=$2
if ! command -v valgrind >/dev/null; then
  echo 'SKIPPED: there is no valgrind (cmake/setup.sh check installs it)'
  exit 77
fi
# valgrind gives a program the instructions that the CPU admits to. Highway reads the clock with rdtscp as it is loaded,
# which works also where a virtual machine conceals it, but not there under valgrind.
if ! grep -qw rdtscp /proc/cpuinfo; then
  echo 'SKIPPED: this CPU does not list rdtscp, without which valgrind cannot load Highway'
  exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
NNKERNELS_THREADS=2
NNKERNELS_PIN=0
export NNKERNELS_THREADS NNKERNELS_PIN

# expect STATUS NNCLI_ARGUMENTS...: valgrind's own status, 99, stands for an error or a lost block.
expect() {
  expected=$1
  shift
  echo "== nncli $*"
  status=0
  valgrind -q --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite,possible \
    "$nncli" "$@" || status=$?
  [ "$status" -eq "$expected" ] && return
  echo "exit status $status, expected $expected"
  exit 1
}

run=$work/run
expect 0 train -q --data digits --batch-size 200 --epochs 1 --schedule constant --augment 'shift 1' --ema 0.9 \
  --validation 0.1 \
  --arch 'conv 4 3x3, batchnorm, relu, maxpool 2, conv 8 3x3 groups 2, tanh, dropout 0.1, flatten, affine classes' \
  --out "$run"
expect 0 train -q --resume "$run" --epochs 2
expect 0 eval "$run"
expect 0 predict "$run" "$source/fuzz/corpus/netpbm/p5"
head -c 1000 "$run/last.safetensors" >"$work/cut.safetensors"
expect 3 eval "$work/cut.safetensors"
