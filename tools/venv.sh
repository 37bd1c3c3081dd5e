#!/bin/sh
# Makes a virtual environment: tools/venv.sh FOLDER
# Selects a Python for which the Triton wheel has a backend. If Debian's separate packages for the venv
# module or libpython are missing, root installs them; other users get the command to run.
set -eu
folder=$1

suitable() {
    "$1" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 13))' 2>/dev/null
}

version_of() {
    "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])'
}

has_venv() {
    "$1" -c 'import ensurepip' 2>/dev/null
}

has_libpython() {
    "$1" - <<EOF
import ctypes, os, sysconfig
name = "libpython%s.so.1.0" % sysconfig.get_python_version()
if not os.path.exists(os.path.join(sysconfig.get_config_var("LIBDIR"), name)):
    try:
        ctypes.CDLL(name)
    except OSError:
        raise SystemExit(1)
EOF
}

install() {
    if ! command -v apt-get >/dev/null || [ "$(id -u)" != 0 ]; then
        echo "Required parts of Python are missing. Run this command, then run make again:" >&2
        echo "    sudo apt-get install $*" >&2
        exit 1
    fi
    echo "Installing $* with apt-get ..."
    apt-get update -qq
    apt-get install -y -qq "$@"
}

# An environment without pip was interrupted, or created by another tool.
if [ -x "$folder/bin/python" ] && "$folder/bin/python" -m ensurepip --default-pip; then
    exit
fi
if [ -e "$folder" ] && [ ! -f "$folder/pyvenv.cfg" ]; then
    echo "$folder is not a virtual environment. Remove it, or set VENV= to another folder." >&2
    exit 1
fi

# On other platforms, pip would only report that it cannot find nvidia-pytriton.
machine=$(uname -sm)
libc=$(getconf GNU_LIBC_VERSION 2>/dev/null) || libc="glibc 0"
newer=$(printf '%s\n' "glibc 2.35" "$libc" | sort -V | tail -n 1)
if [ "$machine" != "Linux x86_64" ] || [ "$newer" != "$libc" ]; then
    echo "The Triton wheel needs Linux on x86-64 with glibc 2.35 or newer (Debian 12, Ubuntu 22.04)." >&2
    echo "This is $machine with $libc. Use the container images instead: see docs/compose.md." >&2
    exit 1
fi

if [ -n "${PYTHON:-}" ] && ! suitable "$PYTHON"; then
    echo "PYTHON=$PYTHON is not Python 3.10, 3.11 or 3.12." >&2
    exit 1
fi

# Sets `python`, if there is one. uv also knows those that it, pyenv or conda installed.
find_python() {
    for candidate in "${PYTHON:-python3}" python3.12 python3.11 python3.10; do
        if suitable "$candidate"; then python=$candidate; return; fi
    done
    if command -v uv >/dev/null; then
        python=$(uv python find --no-project '>=3.10,<3.13' 2>/dev/null) || python=
    fi
}

# Sets `python` to a Python 3.12 that uv downloads. uv itself may have to be installed first.
fetch_python() {
    uv=$(command -v uv) || {
        has_venv python3 || install "python$(version_of python3)-venv"
        folder_of_uv=$(mktemp -d)
        trap 'rm -rf "$folder_of_uv"' EXIT
        python3 -m venv "$folder_of_uv" && "$folder_of_uv/bin/pip" install --quiet uv || return
        uv=$folder_of_uv/bin/uv
    }
    # A server that does not respond would be tried for minutes.
    timeout 600 "$uv" python install 3.12 && python=$("$uv" python find --managed-python 3.12)
}

find_python
if [ -z "${python:-}" ] && ! command -v python3 >/dev/null; then
    install python3 python3-venv
    find_python
fi
if [ -z "${python:-}" ]; then
    echo "The bundled Triton needs Python 3.10, 3.11 or 3.12 (its Python backend needs NumPy 1);"
    echo "this machine has $(version_of python3). Downloading Python 3.12 with uv ..."
    fetch_python || {
        echo "Python 3.12 could not be downloaded: install it (uv, pyenv and conda have it), set" \
            "PYTHON=/path/to/python3.12, and run make again." >&2
        exit 1
    }
fi

set --
has_venv "$python" || set -- "python$(version_of "$python")-venv"
has_libpython "$python" || set -- "$@" "libpython$(version_of "$python")"
[ $# = 0 ] || install "$@"

echo "Creating a virtual environment in $folder with $("$python" --version) ..."
"$python" -m venv --clear "$folder" || { rm -rf "$folder"; exit 1; }
