#!/bin/sh
# quotes.sh ROOT: checks that the pages quote the code as it is. A comment before a code block says where it is
# from: `<!-- from FILE -->` for an excerpt, `<!-- all of FILE -->` for a whole file. Prints what differs.
set -eu
quotes=$(cd "$(dirname "$0")" && pwd)/quotes.awk
cd "$1"
awk -f "$quotes" ./*.md docs/*.md
