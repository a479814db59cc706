#!/bin/sh
# Creates the virtual environment and installs the system packages that the Python packages need:
#   prepare.sh PYTHON VENV            a virtual environment with a supported Python
#   prepare.sh --install VENV WHAT    a package, such as ".[train]", editable, and what it needs
#   prepare.sh --check-opencv PYTHON  OpenCV's system libraries
set -eu

apt_install() {
    command -v apt-get >/dev/null 2>&1 || return 1
    if [ "$(id -u)" = 0 ]; then sudo=; elif command -v sudo >/dev/null 2>&1; then sudo=sudo; else return 1; fi
    echo "installing the system packages $*"
    $sudo apt-get update -qq && $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$@" >/dev/null
}

if [ "$1" = "--check-opencv" ]; then
    "$2" -c "import cv2" 2>/dev/null && exit 0
    apt_install libgl1 libglib2.0-0 libxcb1 || true
    "$2" -c "import cv2" 2>/dev/null && exit 0
    echo "OpenCV cannot be imported:" >&2
    "$2" -c "import cv2" 2>&1 | tail -n 1 >&2
    echo "On Debian or Ubuntu: sudo apt-get install libgl1 libglib2.0-0" >&2
    exit 1
fi

if [ "$1" = "--install" ]; then
    # uv is several times as fast as pip, but reads none of pip's settings: where they name another
    # registry, or uv cannot reach its own, pip does it.
    if ! "$2/bin/pip" config list | grep -Eq "(no-index|[.]index-url)="; then
        "$2/bin/uv" pip install --quiet --python "$2/bin/python" --editable "$3" 2>/dev/null && exit 0
    fi
    exec "$2/bin/pip" install --quiet --quiet --disable-pip-version-check --no-compile -e "$3"
fi

python=$1
venv=$2
supported='import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))'
if [ -x "$venv/bin/python" ] && "$venv/bin/python" -c "$supported" 2>/dev/null; then
    "$venv/bin/python" -m pip --version >/dev/null 2>&1 && exit 0
fi
if ! "$python" -c "$supported" 2>/dev/null; then
    for candidate in python3.12 python3.11 python3.10; do
        if "$candidate" -c "$supported" 2>/dev/null; then python=$candidate; break; fi
    done
fi
if ! "$python" -c "$supported" 2>/dev/null; then
    echo "cnnedge needs Python 3.10, 3.11 or 3.12 (TensorFlow has no build for others here);" >&2
    echo "found $("$python" --version 2>&1). Install one and name it: make demo PYTHON=python3.11" >&2
    exit 1
fi
rm -rf "$venv"
"$python" -m venv "$venv" 2>/dev/null || {
    rm -rf "$venv"
    apt_install python3-venv || { echo "install python3-venv first" >&2; exit 1; }
    "$python" -m venv "$venv"
}
pip_install() { "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$@"; }
# There is not a uv for each machine.
pip_install --upgrade pip uv || pip_install --upgrade pip
