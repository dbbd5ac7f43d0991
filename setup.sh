#!/usr/bin/env bash
# Prepares a Debian 12 machine for building dlc: Debian packages, a Python environment, the ONNX C++ library.
#
# Everything that does not come from Debian lies in ${DLC_DEPS:-${XDG_CACHE_HOME:-~/.cache}/dlc}, outside the source
# tree, and is shared by all checkouts. What is there already is neither downloaded nor built again.
set -euo pipefail

readonly onnx_version=1.23.2
readonly python_packages=("cmake>=3.26,<4" numpy "onnx==$onnx_version" "scikit-build-core>=0.11")
readonly debian_packages=(
  g++ git ninja-build ccache mold binutils clang-format
  llvm-22-dev liblld-22-dev clang-22
  libfmt-dev nlohmann-json3-dev libcli11-dev libgtest-dev libbenchmark-dev libxsimd-dev libdlpack-dev
  libprotobuf-dev protobuf-compiler libpng-dev libjpeg62-turbo-dev libopenjp2-7-dev libtiff-dev libwebp-dev zlib1g-dev
  libopenmpi-dev openmpi-bin
  python3 python3-venv python3-pip qemu-user
)
readonly deps=${DLC_DEPS:-${XDG_CACHE_HOME:-$HOME/.cache}/dlc}
readonly venv=$deps/venv
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# step TEXT COMMAND...: one line; the command's output only if it fails.
step() {
  local text=$1 start=$SECONDS
  shift
  printf 'setup: %s ... ' "$text"
  if "$@" >"$log" 2>&1; then
    printf 'done (%d s)\n' $((SECONDS - start))
  else
    local status=$?
    printf 'FAILED\n'
    tail -n 60 "$log" >&2
    exit "$status"
  fi
}

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

missing_packages() {
  local package
  for package in "${debian_packages[@]}"; do
    dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || echo "$package"
  done
}

install_packages() {
  as_root apt-get update -q
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@"
}

# The stamp names what was installed, so that a changed list is installed again.
make_venv() {
  rm -f "$venv/stamp"
  /usr/bin/python3 -m venv --clear "$venv"
  "$venv/bin/pip" install -q --disable-pip-version-check "${python_packages[@]}"
  echo "${python_packages[*]}" >"$venv/stamp"
}

download_onnx() {
  # pip asks the source distribution's build back end for metadata, which is why scikit-build-core is in the venv.
  "$venv/bin/pip" download -q --disable-pip-version-check --no-deps --no-binary onnx --no-build-isolation \
    -d "$deps/download" "onnx==$onnx_version"
}

build_onnx() {
  local work=$deps/build-onnx
  rm -rf "$work" "$onnx_prefix"
  mkdir -p "$work/src"
  tar -xf "$deps/download/onnx-$onnx_version.tar.gz" -C "$work/src" --strip-components=1
  "$venv/bin/cmake" -S "$work/src" -B "$work/build" -G Ninja \
    -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_PREFIX="$onnx_prefix" -DCMAKE_POSITION_INDEPENDENT_CODE=ON \
    -DBUILD_SHARED_LIBS=OFF -DONNX_ML=ON -DONNX_BUILD_PYTHON=OFF -DONNX_GEN_PB_TYPE_STUBS=OFF \
    -DONNX_USE_UNITY_BUILD=ON -DONNX_USE_PROTOBUF_SHARED_LIBS=ON
  "$venv/bin/cmake" --build "$work/build"
  "$venv/bin/cmake" --install "$work/build"
  rm -rf "$work"
  touch "$onnx_prefix/stamp"
}

mapfile -t missing < <(missing_packages)
if [ ${#missing[@]} -gt 0 ]; then
  step "Debian packages (${missing[*]})" install_packages "${missing[@]}"
fi

mkdir -p "$deps"
exec 9>"$deps/lock"
flock 9 # two checkouts may be set up at the same time

if [ "$(cat "$venv/stamp" 2>/dev/null)" != "${python_packages[*]}" ]; then
  step "Python packages (${python_packages[*]})" make_venv
fi
readonly onnx_prefix=$deps/onnx-$onnx_version
if [ ! -f "$onnx_prefix/stamp" ]; then
  [ -f "$deps/download/onnx-$onnx_version.tar.gz" ] || step "ONNX $onnx_version sources" download_onnx
  step "ONNX $onnx_version C++ library" build_onnx
fi
echo "setup: ready ($deps)"
