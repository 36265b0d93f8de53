#!/bin/sh
# setup_test.sh SETUP: runs cmake/setup.sh where every program that it uses is a stand-in, and checks what it
# would have done: on a complete system, as root, as a user with and without sudo, and without apt-get.
set -eu
setup=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/cmake" "$work/bin"
cp "$setup" "$work/cmake/setup.sh"
cat >"$work/cmake/packages.txt" <<'LIST'
# package  needed  probe         what for
here-dev   build   <cstdio>      a library that is installed
gone-dev   build   <gone.h>      a library that is not
gone       build   gone-command  a program that is not
checker    check   -             a tool for CI
judge      check,race  -         a library for two things
racer      race    -             a library for one
LIST
for tool in sh dirname sort cat env mktemp rm; do ln -s "$(command -v "$tool")" "$work/bin/$tool"; done

# stand_in NAME: reads the body of a program from standard input.
stand_in() {
  { echo '#!/bin/sh'; cat; } >"$work/bin/$1"
  chmod +x "$work/bin/$1"
}
stand_in id <<'BODY'
echo "$FAKE_UID"
BODY
stand_in c++ <<'BODY'
read -r line
[ "$line" = '#include <cstdio>' ]
BODY

failures=0
# try EXPECTED_STATUS [ARGUMENT]: runs setup.sh; output and calls land in files.
try() {
  expected=$1
  shift
  : >"$work/calls"
  status=0
  CALLS=$work/calls PATH=$work/bin sh "$work/cmake/setup.sh" "$@" >"$work/output" 2>&1 || status=$?
  if [ "$status" -ne "$expected" ]; then
    echo "$case: exit status $status, expected $expected"
    failures=$((failures + 1))
  fi
}
# saw FILE TEXT, saw_not FILE TEXT: what that run left behind.
saw() {
  grep -qF -- "$2" "$work/$1" && return
  echo "$case: '$2' is not in $1:" && cat "$work/$1"
  failures=$((failures + 1))
}
saw_not() {
  grep -qF -- "$2" "$work/$1" || return 0
  echo "$case: '$2' is in $1:" && cat "$work/$1"
  failures=$((failures + 1))
}

case='no apt-get' FAKE_UID=1000
export FAKE_UID
try 1
saw output 'gone-dev (a library that is not)'
saw output 'gone (a program that is not)'
saw_not output here-dev
saw_not output checker

stand_in apt-get <<'BODY'
echo "apt-get $* (frontend $DEBIAN_FRONTEND)" >>"$CALLS"
BODY
stand_in dpkg-query <<'BODY'
for package; do :; done
case $package in
  here-dev) echo installed ;;
  gone-dev) echo config-files ;;
  *) exit 1 ;;
esac
BODY
case='a user without sudo'
try 1
saw output 'apt-get install --no-install-recommends gone-dev gone'
saw_not calls apt-get

stand_in sudo <<'BODY'
echo "sudo" >>"$CALLS"
exec "$@"
BODY
case='a user with sudo'
try 0
saw calls sudo
saw calls 'update (frontend noninteractive)'
saw calls 'install -y --no-install-recommends gone-dev gone (frontend noninteractive)'

case='root' FAKE_UID=0
try 0 check
saw_not calls sudo
saw calls 'install -y --no-install-recommends gone-dev gone checker judge (frontend noninteractive)'
try 0 race
saw calls 'install -y --no-install-recommends gone-dev gone judge racer (frontend noninteractive)'

stand_in apt-get <<'BODY'
exit 100
BODY
case='packages that cannot be had'
try 1
saw output 'apt-get could not install all of: gone-dev gone'

stand_in dpkg-query <<'BODY'
echo installed
BODY
case='a complete system'
try 0 check
saw_not output Installing
[ "$failures" -eq 0 ]
