#!/usr/bin/env bash
# Sets up the machine, builds dlc, compiles a model to a library and runs that on a picture of a digit.
set -euo pipefail
cd "$(dirname "$0")"

./setup.sh
tools/dev/build.sh dlc-compile dlc-run
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
picture=$(ls examples/digits/images/*.png | head -n 1)

run() {
  echo "\$ $*"
  "$@"
}
run build/bin/dlc-compile examples/digits/digits.onnx -o "$out/digits.so"
run build/bin/dlc-run "$out/digits.so" --input "$picture" --labels examples/digits/labels.txt --top 3
