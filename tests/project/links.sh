#!/bin/sh
# links.sh ROOT: checks that every link from one page of the project to a file of it leads somewhere.
set -eu
cd "$1"
status=0
for page in *.md data/*.md data/*/*.md docs/*.md; do
  # shellcheck disable=SC2013  # a link has no spaces
  for link in $(grep -oE '\]\([^) ]+\)' "$page" | sed 's/^](//; s/)$//; s/#.*//' | grep -v '^[a-z]*:'); do
    if [ ! -e "$(dirname "$page")/$link" ]; then
      echo "$page: no $link"
      status=1
    fi
  done
done
exit $status
