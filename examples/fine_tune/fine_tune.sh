#!/bin/sh
# usage: fine_tune.sh FOLDER     needs dlc-train in PATH
set -eu
digits=$(cd "$(dirname "$0")/../digits" && pwd)
out=$1

# A folder of pictures for each class.
mkdir -p "$out/data/even" "$out/data/odd"
for digit in 0 2 4 6 8; do cp "$digits/images/$digit.png" "$out/data/even"; done
for digit in 1 3 5 7 9; do cp "$digits/images/$digit.png" "$out/data/odd"; done

# Everything but the new head stays as it is.
dlc-train fit "$digits/digits.onnx" --data "folder:$out/data" --head replace:classes=2 \
  --freeze 'filters*,hidden*' --batch 5 --epochs 60 --optimizer adamw,lr=2e-2 --schedule cosine \
  --metrics accuracy --out "$out/run"
dlc-train eval "$out/run" --data "folder:$out/data"
dlc-train export "$out/run" -o "$out/parity.onnx"
