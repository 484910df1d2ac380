"""Locks itself in and runs the Python program on stdin: `python -I -S sandbox_child.py FOLDER`.

Afterwards this process can read Python's own files, write a small file system in memory that lies over FOLDER, and
reach neither network nor other processes. Landlock keeps it from files, a seccomp filter from sockets (those of the
file system as well, which no namespace takes away) and from starting processes. It imports nothing of ours: it runs in
a bare interpreter. https://docs.kernel.org/userspace-api/landlock.html, …/seccomp_filter.html
"""

import ctypes
import os
import platform
import resource
import struct
import sys

CANNOT = 97
MOST_THREADS = 64
_FOLDER = b"size=64m,nr_inodes=4096,mode=700"
_CREATE, _ADD, _RESTRICT = 444, 445, 446  # the same numbers on x86-64 and arm64
_EXECUTE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 2, 1 << 3
_READ = _EXECUTE | _READ_FILE | _READ_DIR
_ALL_OF_VERSION = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1}
_EVERYTHING = (1 << 16) - 1  # from version 5
_NO_NEW_PRIVILEGES, _SECCOMP, _FILTER = 38, 22, 2
_ALLOW, _KILL, _NOT_PERMITTED, _NO_SUCH_CALL = 0x7FFF0000, 0x80000000, 0x00050001, 0x00050026
_LOAD, _IF_EQUAL, _IF_BIT, _RETURN = 0x20, 0x15, 0x45, 0x06
_NUMBER, _MACHINE, _FIRST_ARGUMENT = 0, 4, 16  # where the filter finds them
_THREAD = 0x00010000  # of clone: a thread of this process, no process of its own
_CLONE3, _IO_URING = 435, 425
_CALLS = {  # the machine's number; clone; fork and vfork; socket, unshare, setns, ptrace, bpf, keys (3), userfaultfd
    "x86_64": (0xC000003E, 56, (57, 58), (41, 272, 308, 101, 321, 248, 249, 250, 323)),
    "aarch64": (0xC00000B7, 220, (), (198, 97, 268, 117, 280, 217, 218, 219, 282)),
}


def lock_in(folder: str) -> None:
    """Restricts this process for good.

    Raises:
        OSError: the kernel cannot; the message says what.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if platform.machine() not in _CALLS:
        raise OSError(f"no system call numbers of {platform.machine()} are known")
    _checked(libc.mount(b"tmpfs", folder.encode(), b"tmpfs", 6, _FOLDER), "no file system can be mounted")
    os.chdir(folder)
    resource.setrlimit(resource.RLIMIT_NPROC, (MOST_THREADS, MOST_THREADS))  # without effect for root
    _restrict_files(libc, folder)
    program = _filter(*_CALLS[platform.machine()])
    steps = ctypes.create_string_buffer(b"".join(program))
    given = struct.pack("HxxxxxxP", len(program), ctypes.addressof(steps))
    _checked(libc.prctl(_SECCOMP, _FILTER, given, 0, 0), "the kernel has no seccomp filters")


def _restrict_files(libc: ctypes.CDLL, folder: str) -> None:
    missing = "the kernel has no Landlock"
    version = _checked(libc.syscall(_CREATE, None, 0, 1), missing)
    rights = _ALL_OF_VERSION.get(version, _EVERYTHING)
    handled = struct.pack("=QQQ", rights, 3 if version >= 4 else 0, 3 if version >= 6 else 0)
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    ruleset = _checked(libc.syscall(_CREATE, handled, size, 0), missing)
    for path in {sys.prefix, sys.base_prefix, "/usr", "/lib", "/lib64", "/etc/ld.so.cache"}:
        _allow(libc, ruleset, path, _READ & rights)
    for path in ("/dev/null", "/dev/urandom"):
        _allow(libc, ruleset, path, _READ_FILE | 2)
    _allow(libc, ruleset, folder, rights)
    _checked(libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0), missing)
    _checked(libc.syscall(_RESTRICT, ruleset, 0), missing)
    os.close(ruleset)


def _allow(libc: ctypes.CDLL, ruleset: int, path: str, rights: int) -> None:
    if not os.path.exists(path):
        return
    if not os.path.isdir(path):
        rights &= _EXECUTE | _READ_FILE | 2
    file = os.open(path, os.O_PATH | os.O_CLOEXEC)
    _checked(libc.syscall(_ADD, ruleset, 1, struct.pack("=Qi", rights, file), 0), f"{path} cannot be allowed")
    os.close(file)


def _filter(machine: int, clone: int, fork: tuple[int, ...], refused: tuple[int, ...]) -> list[bytes]:
    """Berkeley packet filter: starting a process ends the program, what is refused fails, and all else is allowed."""
    steps = [_step(_LOAD, _MACHINE), *_where(machine, negated=True, then=_KILL), _step(_LOAD, _NUMBER)]
    steps += [_step(0x35, 0x40000000, 0, 1), _step(_RETURN, _KILL)]  # x32, other numbers for the same calls
    for call in (*refused, _IO_URING):
        steps += _where(call, then=_NOT_PERMITTED)
    steps += _where(_CLONE3, then=_NO_SUCH_CALL)  # its flags lie where no filter looks; libc then takes clone
    for call in fork:
        steps += _where(call, then=_KILL)
    steps += [_step(_IF_EQUAL, clone, 0, 3), _step(_LOAD, _FIRST_ARGUMENT), _step(_IF_BIT, _THREAD, 1, 0)]
    return [*steps, _step(_RETURN, _KILL), _step(_RETURN, _ALLOW)]


def _where(value: int, *, then: int, negated: bool = False) -> list[bytes]:
    jumps = (1, 0) if negated else (0, 1)
    return [_step(_IF_EQUAL, value, *jumps), _step(_RETURN, then)]


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("HBBI", code, if_true, if_false, value)


def _checked(result: int, otherwise: str) -> int:
    if result < 0:
        raise OSError(f"{otherwise}: {os.strerror(ctypes.get_errno())}")
    return result


if __name__ == "__main__":
    program = sys.stdin.read()
    try:
        lock_in(sys.argv[1])
    except OSError as error:
        print(error, flush=True)
        os._exit(CANNOT)
    exec(compile(program, "<answer>", "exec"), {"__name__": "__main__"})  # noqa: S102 - what this file is for
