#!/usr/bin/env bash
# Sets up the machine, builds, checks the source, runs all tests. Everything is run even if something before it failed.
set -euo pipefail
cd "$(dirname "$0")"

./setup.sh
. tools/dev/path.sh
tools/dev/build.sh
status=0
tools/dev/check.sh || status=1
ctest --test-dir build -j "$(nproc)" --output-on-failure --progress || status=1
exit "$status"
