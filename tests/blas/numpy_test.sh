#!/bin/sh
# numpy_test.sh LIBNNBLAS COUNT_CALLS PYTHON: NumPy's own tests of products and of linear algebra, with our GEMM
# preloaded. What fails without it as well does not count against it. 77: not installed.
set -u
library=$1
counter=$2
python=$3
if ! "$python" -c 'import numpy, pytest, hypothesis' 2>/dev/null; then
  echo "skipped: $python has no numpy, pytest or hypothesis; install python3-numpy, python3-pytest, python3-hypothesis"
  exit 77
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1
# Products of float16 to complex, views, strides, zero sizes, out=; then solve, inv, svd, matrix_power... Not the test
# that asks for arrays of gigabytes.
products='(Dot or dot or Matmul or matmul or Inner) and not huge'

# run NAME: all suites; NAME gets a line "TEST OUTCOME" for each test that passed or failed.
run() {
  for suite in core.tests.test_multiarray linalg.tests.test_linalg core.tests.test_einsum; do
    selection=
    [ "$suite" = core.tests.test_multiarray ] && selection=$products
    "$python" -B -m pytest -p no:cacheprovider -q -rA --tb=short --pyargs "numpy.$suite" -k "$selection" >log 2>&1
    status=$?
    # 1: some test failed. More: it did not come to testing, or it crashed.
    if [ "$status" -gt 1 ]; then
      echo "pytest of numpy.$suite ($1) ended with status $status:"
      tail -n 30 log
      exit 1
    fi
    sed -n 's/^\(PASSED\|FAILED\|ERROR\) \([^ ]*\).*/\2 \1/p' log >>"$1"
    cat log >>"$1.log"
  done
  sort -o "$1" "$1"
}
COUNT_CALLS=$folder/calls LD_PRELOAD="$counter $library" run with

# Whether it was ours that was called, by NumPy itself. A LAPACK behind numpy.linalg need not call a dgemm_ from outside.
failed=0
calls=
for routine in cblas_sgemm cblas_dgemm dgemm_; do
  count=$(awk -v routine="$routine" -v library="$library" \
    '$1 == routine && $3 == library { sum += $2 } END { print sum + 0 }' calls)
  calls="$calls $routine $count,"
  if [ "$count" -eq 0 ] && [ "$routine" != dgemm_ ]; then
    echo "no call of $routine has reached $library"
    failed=1
  fi
done
passed=$(grep -c ' PASSED$' with)
[ "$passed" -ge 500 ] || failed=1
bad=$(grep -c -v ' PASSED$' with)
theirs=0
if [ "$bad" -gt 0 ]; then
  run without
  grep -v ' PASSED$' with | sed 's/ [A-Z]*$/ PASSED/' | sort | comm -12 - without >lost
  theirs=$((bad - $(wc -l <lost)))
  if [ -s lost ]; then
    echo "These fail with $library alone:"
    cat lost
    sed -n '/= FAILURES =/,/= PASSES =/p; /= ERRORS =/,/= PASSES =/p' with.log | head -n 200
    failed=1
  fi
fi
echo "NumPy $("$python" -c 'import numpy; print(numpy.__version__)'): $passed of its tests pass, $bad fail, $theirs of them" \
  "also without this library; calls:${calls%,}"
exit $failed
