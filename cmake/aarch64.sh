#!/bin/sh
# Builds for 64-bit Arm in build/aarch64 and runs the tests there under qemu-user.
#   aarch64.sh          kernels, nn, random campaigns, and a training by nncli whose model is then read on this machine
#   aarch64.sh quick    a part of the tests of kernels: what CI does
# Compiler and emulator are installed by setup.sh. The libraries are unpacked in build/aarch64-root by an apt-get that
# has its own lists: this system learns nothing of another architecture, and none of its packages changes.
# Exit status: 77 if any of these cannot be had.
set -eu
cd "$(dirname "$0")/.."
root=$PWD/build/aarch64-root
build=build/aarch64

skip() {
  echo "SKIPPED: no test on aarch64: $1" >&2
  exit 77
}

# fetch FOLDER: downloads the development packages of packages.txt, and what they need, into FOLDER/archives.
fetch() {
  mkdir -p "$1/lists/partial" "$1/archives/partial"
  : >"$1/status"
  cat >"$1/apt.conf" <<CONF
APT::Architecture "arm64";
APT::Architectures { "arm64"; };
Dir::State "$1";
Dir::State::lists "$1/lists";
Dir::State::status "$1/status";
Dir::Cache "$1";
Dir::Cache::archives "$1/archives";
APT::Sandbox::User "$(id -un)";
CONF
  # As in setup.sh, a broken entry among somebody's sources need not matter.
  APT_CONFIG=$1/apt.conf apt-get -q update >"$1/log" 2>&1 || true
  # shellcheck disable=SC2046  # a list of names
  APT_CONFIG=$1/apt.conf apt-get -q install --no-install-recommends --download-only -y \
    $(sed -n 's/^\([a-z0-9.-]*-dev\)  *build .*/\1/p' cmake/packages.txt) >>"$1/log" 2>&1
}

command -v apt-get >/dev/null || skip 'there is no apt-get'
./cmake/setup.sh cross || skip 'the cross compiler or qemu-user could not be installed'
if [ ! -e "$root/unpacked" ]; then
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  fetch "$work" || {
    cat "$work/log" >&2
    skip 'the libraries for arm64 could not be downloaded'
  }
  rm -rf "$root"
  mkdir -p "$root"
  for package in "$work"/archives/*.deb; do
    # The C and C++ libraries are those of the cross compiler.
    case ${package##*/} in
      libc6* | libc-* | linux-libc-* | libgcc* | libstdc++6* | gcc-*) ;;
      *) dpkg -x "$package" "$root" ;;
    esac
  done
  # As on a system whose /lib is /usr/lib; and links such as libz.so that name the file from / stay in here.
  if [ -d "$root/lib" ]; then
    cp -a "$root/lib/." "$root/usr/lib/"
    rm -rf "${root:?}/lib"
  fi
  ln -s usr/lib "$root/lib"
  find "$root" -lname '/*' | while read -r link; do ln -sfn "$root$(readlink "$link")" "$link"; done
  touch "$root/unpacked"
fi

cmake --preset aarch64 --log-level=NOTICE
if [ "${1:-}" = quick ]; then
  # The promises that a vector's width decides on, and kernels with code of their own for NEON.
  cmake --build $build --target promises_test kernels_test
  ctest --test-dir $build/tests/kernels --output-on-failure --no-tests=error -E SameBits \
    -R 'Promises|GuardPage|ConvPool|Dropout|PoolTest|Softmax|Vector'
  exit
fi
cmake --build $build --target tests/kernels/all tests/nn/all oracle nncli
ctest --test-dir $build/tests/kernels --output-on-failure --no-tests=error --timeout 7200
ctest --test-dir $build/tests/nn --output-on-failure --no-tests=error --timeout 7200
emulate() { qemu-aarch64 -L /usr/aarch64-linux-gnu "$@"; }
emulate $build/oracle all --cases 500

# A network that was trained there is the same network here.
./cmake/build.sh nncli
run=$build/run
emulate $build/nncli train --force --data digits --epochs 10 --batch-size 20 --out $run \
  --arch 'conv 8 3x3, batchnorm, relu, maxpool 2, flatten, affine classes'
emulate $build/nncli eval $run --min-accuracy 0.8
build/release/nncli eval $run --min-accuracy 0.8
