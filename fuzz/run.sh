#!/bin/sh
# run.sh FORMAT|all [SECONDS [BUILD]]: runs the fuzzer of a format, or of each, for so long (60) or for ten million
# inputs, whichever comes first, from the corpus beside this file; what it finds interesting goes to
# BUILD/corpus/FORMAT, what it breaks on to BUILD/findings. Before it: cmake --preset fuzz && cmake --build --preset fuzz.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
format=${1:?usage: run.sh FORMAT|all [SECONDS [BUILD]]}
seconds=${2:-60}
build=${3:-$here/../build/fuzz}

# Short stacks of allocations and a small quarantine: twice the speed. ASAN_OPTIONS= brings them back.
: "${ASAN_OPTIONS=quarantine_size_mb=4:malloc_context_size=1}"
export ASAN_OPTIONS

fuzz() {
  mkdir -p "$build/corpus/$1" "$build/findings"
  # A file of 4 KiB can be as bad as a larger one, and is read faster.
  "$build/fuzz_$1" -max_total_time="$seconds" -runs=10000000 -timeout=1 -rss_limit_mb=512 -malloc_limit_mb=512 \
    -max_len=4096 -print_final_stats=1 -print_funcs=0 -verbosity=0 -artifact_prefix="$build/findings/$1-" \
    "$build/corpus/$1" "$here/corpus/$1"
}

if [ "$format" != all ]; then
  fuzz "$format"
  exit
fi
failed=
for folder in "$here"/corpus/*/; do
  name=$(basename "$folder")
  echo "== $name"
  fuzz "$name" || failed="$failed $name"
done
[ -z "$failed" ] || { echo "failed:$failed"; exit 1; }
