#!/bin/sh
# Prints the path of the newest Python on this machine that can run the project, and says on stderr which one that is.
#
#   tools/find_python.sh [PYTHON]     PYTHON: the version to find (3.12), or a program to use instead if it works
#
# A Python works if its version is supported and if it can make a virtual environment with pip in it. Each is tried,
# because a name on PATH is not enough: pyenv's shims exist for versions that are not active. A Python that comes with
# its shared library is preferred, because the embedded Triton loads it; before that, one for which a folder in
# PIP_FIND_LINKS has a wheel of torch: the build without CUDA saves 3 GB, and is not on PyPI.
set -eu

VERSIONS="3.13 3.12 3.11"
CHECK='
import ctypes, ensurepip, os, sys, sysconfig, venv

def is_shared():
    library = sysconfig.get_config_var("INSTSONAME") or ""
    if ".so" not in library:
        return False
    try:
        folder = sysconfig.get_config_var("LIBDIR") or ""
        return os.path.exists(os.path.join(folder, library)) or bool(ctypes.CDLL(library))
    except OSError:
        return False

if "%d.%d" % sys.version_info[:2] not in sys.argv[1].split():
    sys.exit(1)
print(int(is_shared()), "%d.%02d.%02d" % sys.version_info[:3], sys.executable)
'

# Prints "shared version path" of the Python "$1" if it works.
checked() {
    "$1" -I -c "$CHECK" "$VERSIONS" 2>/dev/null
}

# Prints 1 if a folder in PIP_FIND_LINKS has a wheel of torch for the version that a line of `checked` names, else 0.
has_torch() {
    tag=cp3$(echo "$1" | sed 's/^[^ ]* 3\.0*\([0-9]*\)\..*/\1/')
    for folder in ${PIP_FIND_LINKS:-}; do
        for wheel in "$folder"/torch-*-"$tag"-*.whl; do
            if [ -e "$wheel" ]; then echo 1 && return; fi
        done
    done
    echo 0
}

# Prints every Python on PATH, and those of pyenv and uv, which need not be on it.
candidates() {
    {
        echo "$PATH" | tr ':' '\n'
        ls -d "${PYENV_ROOT:-$HOME/.pyenv}"/versions/*/bin 2>/dev/null
        ls -d "${UV_PYTHON_INSTALL_DIR:-$HOME/.local/share/uv/python}"/*/bin 2>/dev/null
    } | while read -r folder; do
        for name in python3 $(printf 'python%s ' $VERSIONS); do
            if [ -x "$folder/$name" ]; then echo "$folder/$name"; fi
        done
    done
}

fail() {
    echo "$1" >&2
    exit 1
}

if [ -n "${1:-}" ] && [ -z "${VERSIONS##*"$1"*}" ]; then
    VERSIONS=$1
    set --
fi
if [ -n "${1:-}" ]; then
    found=$(checked "$1") || fail "$1 does not work here: the project needs Python $VERSIONS with venv and ensurepip (on Debian: python3-venv)"
else
    found=$(candidates | sort -u | while read -r python; do
        if line=$(checked "$python"); then echo "$(has_torch "$line") $line"; fi
    done | sort -r | head -n 1 | cut -d ' ' -f 2-)
    [ -n "$found" ] || fail "no Python of this machine works: install Python $VERSIONS with venv and ensurepip (on Debian: python3-venv), or name one: make run PYTHON=/path/to/python3"
fi
path=${found#* * }
echo "Python: $path (choose another with PYTHON=…)" >&2
echo "$path"
