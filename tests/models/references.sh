#!/usr/bin/env bash
# usage: references.sh [SHARED [DEPS]]
#
# Makes DEPS/references, what the tests of models compare with: a Python environment with ONNX Runtime, and with it the
# outputs of the networks in networks.txt; with DLC_MODELS=all in the environment of all of them. DEPS is by default
# ${DLC_DEPS:-${XDG_CACHE_HOME:-~/.cache}/dlc}. What is there is not made again. Ends with 77 where SHARED is absent.
set -euo pipefail
cd "$(dirname "$0")"

readonly shared=${DLC_SHARED:-${1:-../../../shared}}
readonly deps=${2:-${DLC_DEPS:-${XDG_CACHE_HOME:-$HOME/.cache}/dlc}}
readonly venv=$deps/references_venv

if [ ! -d "$shared/models" ]; then
  echo "there is no $shared/models"
  exit 77
fi
mkdir -p "$deps"
exec 9>"$deps/references.lock"
flock 9 # two checkouts may do this at the same time
if ! cmp -s requirements.txt "$venv/stamp"; then
  /usr/bin/python3 -m venv --clear "$venv"
  "$venv/bin/pip" install -q --disable-pip-version-check -r requirements.txt
  cp requirements.txt "$venv/stamp"
fi
flags=(--shared "$shared")
if [ "${DLC_MODELS:-}" = all ]; then flags+=(--all); fi
"$venv/bin/python" make_references.py "$deps/references" "${flags[@]}"
