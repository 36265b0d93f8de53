#!/bin/sh
# Installs the packages of packages.txt that are missing, and does nothing when none is.
#   setup.sh          what it takes to build and to run the tests
#   setup.sh check    also what it takes to check the code as CI does
#   setup.sh judge    also the libraries that judge this one in tests (which are skipped without them)
#   setup.sh cross    also what it takes to build for 64-bit Arm and run that
#   setup.sh coverage also what it takes to see which lines the tests run
#   setup.sh race     also the libraries that nnbench can race against
# On Debian, Ubuntu and their kin it uses apt-get, through sudo unless it runs as root. Elsewhere it only
# names what is missing. Exit status: 0 when everything is there, 1 otherwise.
set -eu
list=$(dirname "$0")/packages.txt
wanted=${1:-build}

has_header() {
  if command -v c++ >/dev/null; then
    echo "#include $1" | c++ -std=c++20 -E -x c++ - >/dev/null 2>&1
  else
    name=${1#<} name=${name%>}
    [ -e "/usr/include/$name" ] || [ -e "/usr/local/include/$name" ]
  fi
}

# is_installed PACKAGE PROBE
is_installed() {
  if command -v apt-get >/dev/null; then
    # The architecture after the colon: a package that is installed for another one does not help.
    [ "$(dpkg-query -W -f '${db:Status-Status}\n' "$1" 2>/dev/null | sort -u)" = installed ]
  else
    case $2 in
      -) true ;;
      '<'*) has_header "$2" ;;
      *) command -v "$2" >/dev/null ;;
    esac
  fi
}

missing=
described=
while read -r package needed probe purpose; do
  case $package in '' | '#'*) continue ;; esac
  case ,$needed, in *,build,* | *",$wanted,"*) ;; *) continue ;; esac
  if is_installed "$package" "$probe"; then continue; fi
  missing="$missing $package"
  described="$described  $package ($purpose)
"
done <"$list"
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null; then
  {
    echo "These are missing; each line is the name in Debian and what it is for:"
    printf '%s' "$described"
    echo "This system has no apt-get. Please install them with its own package manager and try again."
  } >&2
  exit 1
fi
as_root=
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "Packages are missing, and installing them takes root. Please run as root:" >&2
    echo "  apt-get install --no-install-recommends$missing" >&2
    exit 1
  fi
  as_root=sudo
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT

# apt_get ARGUMENTS: asks nothing, and waits for another package manager that is at work.
apt_get() {
  $as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 "$@" \
    </dev/null >>"$log" 2>&1
}
echo "Installing$missing" >&2
# A broken entry among somebody's package sources need not matter; if it does, the next step fails.
apt_get update || true
# shellcheck disable=SC2086  # the words of $missing are meant to be split
if ! apt_get install -y --no-install-recommends $missing; then
  cat "$log" >&2
  echo "apt-get could not install all of:$missing" >&2
  exit 1
fi
