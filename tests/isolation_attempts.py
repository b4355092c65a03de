"""What somebody who has taken over a child would try, one after the other."""

from __future__ import annotations

import ctypes
import mmap
import os
import resource
import signal
import socket
import threading
from collections.abc import Callable
from pathlib import Path

_LIBRARY = ctypes.CDLL(None, use_errno=True)
_LIBRARY.syscall.restype = ctypes.c_long
_ATTACH = 16
_X32 = 0x40000000
_GETPID_64, _GETPID_32 = 39, 20
SAME_EVERYWHERE = {
    "io_uring_setup": 425,
    "clone3": 435,
    "pidfd_open": 434,
    "openat2": 437,
    "open_tree": 428,
    "fsopen": 430,
}
X86_64 = {
    "bpf": 321,
    "keyctl": 250,
    "mount": 165,
    "unshare": 272,
    "setns": 308,
    "userfaultfd": 323,
    "perf_event_open": 298,
    "execveat": 322,
    "vfork": 58,
    "memfd_create": 319,
    "seccomp": 317,
    "setuid": 105,
    "sendmsg": 46,
}


def call(number: int, *arguments: int | bytes) -> int:
    """A system call as it is. Raises OSError."""
    ctypes.set_errno(0)
    told = [ctypes.c_long(one) if isinstance(one, int) else one for one in arguments]
    result = int(_LIBRARY.syscall(ctypes.c_long(number), *told))
    if result < 0:
        raise OSError(ctypes.get_errno(), "refused")
    return result


def _numbered(number: int) -> Callable[..., object]:
    return lambda: call(number, 0, 0, 0, 0, 0)


def _read(path: bytes) -> object:
    return Path(os.fsdecode(path)).read_bytes()


def _write(path: bytes) -> object:
    return Path(os.fsdecode(path)).write_bytes(b"mine")


def _listed(path: bytes) -> object:
    return list(Path(os.fsdecode(path)).iterdir())


def _connect() -> object:
    number = 42 if os.uname().machine == "x86_64" else 203
    return call(number, 0, 0, 0)


def _ptrace() -> object:
    if _LIBRARY.ptrace(_ATTACH, os.getppid(), 0, 0) < 0:
        raise OSError(ctypes.get_errno(), "refused")
    return None


def _memory_of_parent() -> object:
    with Path(f"/proc/{os.getppid()}/mem").open("rb") as memory:
        return memory.read(1)


def _read_parent() -> object:
    number = 310 if os.uname().machine == "x86_64" else 270
    return call(number, os.getppid(), 0, 0, 0, 0, 0)


def _environment_of_parent() -> object:
    return Path(f"/proc/{os.getppid()}/environ").read_bytes()


def _limited(pid: int) -> object:
    number = 302 if os.uname().machine == "x86_64" else 261
    return call(number, pid, resource.RLIMIT_CORE, bytes(16), 0)


def _thirty_two_bits() -> object:
    """`int 0x80`: the numbers of i386 on a 64-bit processor."""
    code = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    code.write(b"\xb8" + _GETPID_32.to_bytes(4, "little") + b"\xcd\x80\xc3")
    address = ctypes.addressof(ctypes.c_char.from_buffer(code))
    return ctypes.CFUNCTYPE(ctypes.c_int)(address)()


def _thread() -> object:
    """Allowed: codecs may have them."""
    thread = threading.Thread(target=os.getpid)
    thread.start()
    thread.join()
    return None


ATTEMPTS: dict[str, Callable[..., object]] = {
    "read a file": _read,
    "write a file": _write,
    "list a folder": _listed,
    "remove a file": lambda path: Path(os.fsdecode(path)).unlink(),
    "open a file to others": lambda path: Path(os.fsdecode(path)).chmod(0o777),
    "make a folder": lambda path: Path(os.fsdecode(path) + ".new").mkdir(),
    "execute": lambda: os.execv("/bin/true", ["true"]),
    "fork": os.fork,
    "socket": socket.socket,
    "socket pair": socket.socketpair,
    "connect": _connect,
    "trace the parent": _ptrace,
    "read the parent's memory": _read_parent,
    "open the parent's memory": _memory_of_parent,
    "read the parent's environment": _environment_of_parent,
    "signal the parent": lambda: os.kill(os.getppid(), 0),
    "outlive the parent": lambda: call(157 if os.uname().machine == "x86_64" else 167, 1, 0),
    "lift a limit": lambda: _limited(0),
    "lift a limit of the parent": lambda: _limited(os.getppid()),
    "x32": lambda: call(_X32 | _GETPID_64),
    "32 bits": _thirty_two_bits,
    "thread": _thread,
    "own limits": lambda: resource.getrlimit(resource.RLIMIT_DATA),
    "own signal": lambda: os.kill(os.getpid(), signal.SIGCONT),
    "read code": lambda: Path(__file__).read_bytes(),
    **{name: _numbered(number) for name, number in (SAME_EVERYWHERE | X86_64).items()},
}
