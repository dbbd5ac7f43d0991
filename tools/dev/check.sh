#!/usr/bin/env bash
# Checks of the source that no compiler makes: layers, sizes, format. Prints what is wrong; exits with 1 if anything is.
set -uo pipefail
cd "$(dirname "$0")/../.."

. tools/dev/path.sh
failed=0

check() {
  local name=$1
  shift
  if "$@"; then
    echo "check: $name ok"
  else
    echo "check: $name FAILED"
    failed=1
  fi
}

unformatted_files() {
  local file
  for file; do
    clang-format "$file" | cmp -s - "$file" || echo "$file:1: not formatted: clang-format -i $file"
  done
}
export -f unformatted_files

check_format() {
  local faults
  faults=$(git ls-files -z -co --exclude-standard '*.cpp' '*.h' |
    xargs -0 -n 16 -P "$(nproc)" bash -c 'unformatted_files "$@"' _)
  [ -z "$faults" ] || { echo "$faults"; return 1; }
}

check layers python3 tools/dev/check_layers.py
check sizes python3 tools/dev/check_size.py
check format check_format
exit "$failed"
