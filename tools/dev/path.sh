# Source this: CMake, CTest and Python are those that setup.sh has installed.
export PATH="${DLC_DEPS:-${XDG_CACHE_HOME:-$HOME/.cache}/dlc}/venv/bin:$PATH"
