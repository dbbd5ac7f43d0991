#!/usr/bin/env bash
# Installs PyTorch, which train_peers.py compares with, in ${DLC_DEPS:-${XDG_CACHE_HOME:-~/.cache}/dlc}/train_peers (about
# 6 GB: the package on PyPI carries code for GPUs); prints the Python that has it. Repeated runs do nothing.
set -euo pipefail

readonly requirements=$(dirname "$0")/train_requirements.txt
readonly venv=${DLC_DEPS:-${XDG_CACHE_HOME:-$HOME/.cache}/dlc}/train_peers

if ! cmp -s "$requirements" "$venv/stamp"; then
  /usr/bin/python3 -m venv --clear "$venv"
  "$venv/bin/pip" install -q --disable-pip-version-check -r "$requirements" >&2
  cp "$requirements" "$venv/stamp"
fi
echo "$venv/bin/python"
