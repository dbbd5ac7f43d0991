#!/bin/sh
# usage: fit.sh SST2_DIR FOLDER       needs python3 and dlc-train in PATH
set -eu
here=$(cd "$(dirname "$0")" && pwd)
sentences=$1
out=$2
mkdir -p "$out"

python3 -m venv "$out/venv"
"$out/venv/bin/pip" install -q -r "$here/requirements.txt"
"$out/venv/bin/python" "$here/prepare.py" "$sentences" "$out"

dlc-train fit "$out/minilm.onnx" --data "npz:$out/train.npz" --val-data "npz:$out/dev.npz" \
  --lora 'r=8,alpha=16,target=*query*|*value*|*dense*' --train 'classifier*' --epochs 2 --batch 32 \
  --optimizer adamw,lr=5e-4 --schedule linear,warmup=6% --metrics accuracy --out "$out/run"
dlc-train export "$out/run" --best -o "$out/sentiment.onnx"
dlc-train export "$out/run" --best --adapter -o "$out/sentiment.safetensors"
