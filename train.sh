#!/bin/sh
# Installs what is missing, builds nncli, and trains a network: the CNN on the bundled MNIST, or whatever
# the options of `nncli train` ask for.
#   ./train.sh
#   ./train.sh --model mlp --epochs 5
set -eu
cd "$(dirname "$0")"
./cmake/build.sh nncli
[ $# -gt 0 ] || set -- --model cnn
exec build/release/nncli train "$@"
