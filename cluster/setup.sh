#!/bin/sh
# Makes the environment of one machine: a virtual environment with the pinned dependencies, and a
# libLLVM that Dr.Jit can use. Safe to run again. Needs python3 (3.11 to 3.13) and a package index.
#
#   cluster/setup.sh [folder]              default folder: .venv
#   PYTHON=python3.12 cluster/setup.sh     with an interpreter of your choice
#   LOCK=cluster/image.lock cluster/setup.sh   these files only, by their hashes; no tools to develop
set -eu
cd "$(dirname "$0")/.."
venv=${1:-.venv}

fail() {
    printf 'Set-up stopped: %s\n' "$*" >&2
    exit 1
}

fits() {
    "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null
}

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        command -v "$PYTHON" >/dev/null || fail "PYTHON=$PYTHON is not there."
        fits "$PYTHON" || fail "PYTHON=$PYTHON is $("$PYTHON" -V 2>&1); it has to be Python 3.11 to 3.13."
        echo "$PYTHON"
        return
    fi
    for candidate in python3 python3.13 python3.12 python3.11; do
        if command -v "$candidate" >/dev/null && fits "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    fail "Python 3.11 to 3.13 is needed and python3 is $(python3 -V 2>&1 || true)." \
        "Install one and name it: make PYTHON=python3.12 run"
}

# Debian and Ubuntu split ensurepip off into a package of its own.
install_venv_package() {
    echo "Installing $1 ..."
    export DEBIAN_FRONTEND=noninteractive
    apt-get -q -y --no-install-recommends install "$1" >/dev/null 2>&1 && return
    apt-get -q update >/dev/null 2>&1
    apt-get -q -y --no-install-recommends install "$1" >/dev/null
}

# Without root: pip comes out of Debian's package of its wheel, which nothing has to install.
unpack_pip() {
    echo "Unpacking pip from the package python3-pip-whl ..."
    folder=$1
    set -- # from here on: options for apt-get
    if ! (cd "$folder" && apt-get -q download python3-pip-whl) >/dev/null 2>&1; then
        # The system's package lists are empty: fetch lists that an ordinary user may write.
        mkdir -p "$folder/lists/partial" "$folder/cache/archives/partial"
        set -- -o "Dir::State::Lists=$folder/lists" -o "Dir::Cache=$folder/cache" \
            -o Debug::NoLocking=1
        apt-get -q "$@" update >/dev/null
        (cd "$folder" && apt-get -q "$@" download python3-pip-whl) >/dev/null
    fi
    dpkg-deb -x "$folder"/python3-pip-whl_*.deb "$folder/unpacked"
}

make_venv() {
    python=$(find_python)
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    rm -rf "$venv"
    if "$python" -c 'import venv, ensurepip' 2>/dev/null; then
        "$python" -m venv "$venv"
        return
    fi
    remedy="run: sudo apt-get install python$version-venv"
    command -v apt-get >/dev/null || fail "this Python has no venv and no ensurepip; install them."
    if [ "$(id -u)" -eq 0 ] && install_venv_package "python$version-venv"; then
        "$python" -m venv "$venv"
        return
    fi
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
    unpack_pip "$scratch" || fail "pip is missing; $remedy"
    "$python" -m venv --without-pip "$venv" || fail "this Python makes no environments; $remedy"
    wheel=$(echo "$scratch"/unpacked/usr/share/python-wheels/pip-*.whl)
    "$venv/bin/python" "$wheel/pip" -q install --no-index "$wheel" || fail "pip is missing; $remedy"
}

if ! fits "$venv/bin/python" || ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
    make_venv
fi

echo "Installing into $venv (about 1 GB the first time) ..."
quiet=-q
[ -t 1 ] && quiet=--progress-bar=on # somebody watches
pip() {
    "$venv/bin/python" -m pip --disable-pip-version-check install "$quiet" "$@" ||
        fail "pip could not install the dependencies; see above."
}
# The pinned hatchling builds the package, not whichever is the newest on the day.
if [ -n "${LOCK:-}" ]; then
    pip --require-hashes --no-deps -r "$LOCK"
    pip --no-build-isolation --no-deps -e .
else
    pip -c constraints.txt hatchling
    pip -c constraints.txt --no-build-isolation -e '.[dev]'
fi
"$venv/bin/python" -m vlmrt_dist.engine.llvm_setup
