#!/bin/sh
# blas_test.sh LIBNNBLAS NNCLI: the level 3 testers of Debian's libblas-test, which others wrote, with our GEMM
# preloaded: all calls and all error exits, on each instruction set, with 1 and 2 threads. 77: not installed.
set -u
library=$1
nncli=$2
testers=
for tester in /usr/lib/*/blas/xblat3s; do testers=$(dirname "$tester"); done
if [ ! -x "$testers/xblat3s" ]; then
  echo "skipped: there is no xblat3s; install libblas-test"
  exit 77
fi
# The reference BLAS for all that is not ours: the CBLAS testers share a variable with it.
export LD_LIBRARY_PATH="$testers"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1
failed=0

# expect FILE COUNT ROUTINE: so many PASSED lines of the routine, and no complaint about it.
expect() {
  passed=$(grep -c "$3 *PASSED THE" "$1")
  if [ "$passed" -ne "$2" ] || grep -q "$3.*\(FAIL\|SUSPECT\)" "$1"; then
    echo "$simd, $threads threads, $3: expected $2 lines with PASSED, found $passed:"
    grep -i "$3\|\*\*\*" "$1" | head -n 20
    failed=1
  fi
  sed -n "s/.*$3 *PASSED THE.*( *\([0-9]*\) CALLS).*/\1/p" "$1" >>calls
}

# Whether it is ours that is called.
for tester in xblat3s:sgemm_ xblat3d:dgemm_ xscblat3:cblas_sgemm xdcblat3:cblas_dgemm; do
  program=${tester%:*} symbol=${tester#*:}
  # shellcheck disable=SC2094  # nothing reads the file meanwhile
  LD_DEBUG=bindings LD_BIND_NOW=1 LD_PRELOAD=$library "$testers/$program"  </dev/null >/dev/null 2>bindings
  if ! grep -q "$program .* to $library .*\`$symbol'" bindings; then
    echo "$program does not call $symbol of $library"
    failed=1
  fi
done
unexpected=$(nm -D --defined-only "$library" | awk '{ print $3 }' | grep -v -x -E '(cblas_)?[sd]gemm_?' | tr '\n' ' ')
if [ -n "$unexpected" ]; then
  echo "the library defines more than its four names: $unexpected"
  failed=1
fi

for simd in $("$nncli" info | sed -n 's/^instruction set .*available: \(.*\))$/\1/p' | tr -d ,); do
  for threads in 1 2; do
    : >calls
    export NNKERNELS_SIMD="$simd" NNKERNELS_THREADS="$threads"
    for kind in s d; do
      name=$(echo ${kind}gemm | tr sdgem SDGEM)
      LD_PRELOAD=$library "$testers/xblat3$kind" <"$testers/${kind}blat3.in" >/dev/null 2>&1
      expect "${kind}blat3.out" 2 "$name"
      LD_PRELOAD=$library "$testers/x${kind}cblat3" <"$testers/${kind}in3" >cblas.out 2>&1
      expect cblas.out 3 "cblas_${kind}gemm"
      rm -f ./*.out
    done
    calls=$(awk '{ sum += $1 } END { print sum + 0 }' calls)
    echo "$simd, $threads threads: $calls calls"
    [ "$calls" -gt 100000 ] || failed=1
  done
done
exit $failed
