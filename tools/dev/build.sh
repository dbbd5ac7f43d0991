#!/usr/bin/env bash
# Configures build/ if need be and builds the given targets, or all.
set -euo pipefail
cd "$(dirname "$0")/../.."

. tools/dev/path.sh
if [ ! -f build/build.ninja ]; then
  mkdir -p build
  cmake -S . -B build -G Ninja >build/configure.log 2>&1 || { cat build/configure.log >&2; exit 1; }
fi
exec cmake --build build -- "$@"
