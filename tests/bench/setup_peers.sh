#!/usr/bin/env bash
# Installs the engines that peers.py compares with, in ${DLC_DEPS:-${XDG_CACHE_HOME:-~/.cache}/dlc}/peers; prints the
# Python that has them. Repeated runs do nothing.
set -euo pipefail

readonly requirements=$(dirname "$0")/requirements.txt
readonly venv=${DLC_DEPS:-${XDG_CACHE_HOME:-$HOME/.cache}/dlc}/peers

if ! cmp -s "$requirements" "$venv/stamp"; then
  /usr/bin/python3 -m venv --clear "$venv"
  "$venv/bin/pip" install -q --disable-pip-version-check -r "$requirements" >&2
  cp "$requirements" "$venv/stamp"
fi
echo "$venv/bin/python"
