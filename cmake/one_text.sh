#!/bin/bash
# one_text.sh BUILD: makes each list of sources that CMake wrote there to compile at once (NNKERNELS_UNITY) one text, for
# tools that look closer at a main file than at what it includes. A header that several sources include stands there once;
# one that a single source includes twice, twice.
set -euo pipefail
find "$1" -path '*/Unity/unity_*_cxx.cxx' | while read -r unity; do
  awk -F'"' '
    !/^#include ".*\.cc"$/ { print; next }
    {
      source = $2
      print "// " source
      while ((getline line <source) > 0) {
        if (line ~ /^#include/ && !(line in from)) from[line] = source
        print line ~ /^#include/ && from[line] != source ? "" : line
      }
      close(source)
    }' "$unity" >"$unity.text"
  mv "$unity.text" "$unity"
done
