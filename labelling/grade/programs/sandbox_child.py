"""Locks itself in with Landlock and runs the Python program on stdin: `python -I -S sandbox_child.py FOLDER`.

Afterwards this process can read Python's own files, write FOLDER, and reach neither network nor other processes. It
imports nothing of ours: it runs in a bare interpreter. https://docs.kernel.org/userspace-api/landlock.html
"""

import ctypes
import os
import struct
import sys

CANNOT = 97
_CREATE, _ADD, _RESTRICT = 444, 445, 446  # the same numbers on x86-64 and arm64
_EXECUTE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 2, 1 << 3
_READ = _EXECUTE | _READ_FILE | _READ_DIR
_ALL_OF_VERSION = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1}
_EVERYTHING = (1 << 16) - 1  # from version 5
_NO_NEW_PRIVILEGES = 38


def lock_in(folder: str) -> None:
    """Restricts this process for good.

    Raises:
        OSError: the kernel cannot.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    version = _checked(libc.syscall(_CREATE, None, 0, 1))
    rights = _ALL_OF_VERSION.get(version, _EVERYTHING)
    handled = struct.pack("=QQQ", rights, 3 if version >= 4 else 0, 3 if version >= 6 else 0)
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    ruleset = _checked(libc.syscall(_CREATE, handled, size, 0))
    for path in {sys.prefix, sys.base_prefix, "/usr", "/lib", "/lib64", "/etc/ld.so.cache"}:
        _allow(libc, ruleset, path, _READ & rights)
    for path in ("/dev/null", "/dev/urandom"):
        _allow(libc, ruleset, path, _READ_FILE | 2)
    _allow(libc, ruleset, folder, rights)
    _checked(libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0))
    _checked(libc.syscall(_RESTRICT, ruleset, 0))


def _allow(libc: ctypes.CDLL, ruleset: int, path: str, rights: int) -> None:
    if not os.path.exists(path):
        return
    if not os.path.isdir(path):
        rights &= _EXECUTE | _READ_FILE | 2
    file = os.open(path, os.O_PATH | os.O_CLOEXEC)
    _checked(libc.syscall(_ADD, ruleset, 1, struct.pack("=Qi", rights, file), 0))
    os.close(file)


def _checked(result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


if __name__ == "__main__":
    program = sys.stdin.read()
    try:
        lock_in(sys.argv[1])
    except OSError:
        os._exit(CANNOT)
    exec(compile(program, "<answer>", "exec"), {"__name__": "__main__"})  # noqa: S102 - what this file is for
