#!/bin/sh
# usage: train.sh [FOLDER]       needs python3 and dlc-train in PATH; FOLDER (this one) gets digits.onnx, images/ and ACCURACY.txt
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=${1:-$here}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q -r "$here/requirements.txt"
"$work/venv/bin/python" "$here/prepare.py" "$work" "$out/images"

dlc-train fit "$work/untrained.onnx" --data "npz:$work/train.npz" --val-data "npz:$work/held_out.npz" --out "$work/run" \
  --epochs 60 --batch 32 --optimizer adamw,lr=5e-3 --schedule cosine,warmup=5% --metrics accuracy --input default,crop=1
dlc-train export "$work/run" -o "$out/digits.onnx"
{
  echo "of the held-out images (a fifth, stratified by class, seed 0; 1437 train):"
  dlc-train eval "$work/run" --data "npz:$work/held_out.npz"
} >"$out/ACCURACY.txt"
cat "$out/ACCURACY.txt"
