"""System calls that a child is refused from now on, as a filter that the kernel runs (seccomp(2))."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Iterator

from libs.isolation.syscalls import DENIED, SPECIAL

ARCHITECTURES = {"x86_64": (0xC000003E, 0, 317), "aarch64": (0xC00000B7, 1, 277)}
"""By machine: its number in <linux/audit.h>, its column in the tables, and the number of `seccomp` itself."""

_X32 = 0x40000000
_CLONE_THREAD = 0x00010000
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC

_ALLOW = 0x7FFF0000
_KILL = 0x80000000
_REFUSE = 0x00050000 | errno.EPERM
_UNKNOWN = 0x00050000 | errno.ENOSYS

# Classic BPF: what is loaded lies in struct seccomp_data, whose arguments have 64 bits.
_LOAD, _IF_EQUAL, _IF_AT_LEAST, _IF_ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16

_SET_MODE_FILTER = 1
_ALL_THREADS = 1


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def install() -> bool:
    """Refuse them to every thread of this process, for good; False where kernel or machine cannot."""
    known = ARCHITECTURES.get(platform.machine())
    if known is None:
        return False
    program = filter_of(platform.machine(), os.getpid())
    told = _Program(len(program) // 8, program)
    library = ctypes.CDLL(None, use_errno=True)
    arguments = (_SET_MODE_FILTER, _ALL_THREADS)
    return bool(
        library.syscall(ctypes.c_long(known[2]), *map(ctypes.c_ulong, arguments), ctypes.byref(told)) == 0
    )


def filter_of(machine: str, pid: int) -> bytes:
    """The filter for process `pid`: other architectures end it, what is listed is refused."""
    architecture, column, _ = ARCHITECTURES[machine]
    steps = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_IF_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
    ]
    if machine == "x86_64":
        steps += [(_IF_AT_LEAST, 0, 1, _X32), (_RETURN, 0, 0, _KILL)]
    for name, decision in _decisions(pid):
        number = SPECIAL[name][column]
        if number is not None:
            steps += [(_IF_EQUAL, 0, len(decision), number), *decision]
    for numbers in DENIED.values():
        if numbers[column] is not None:
            steps += [(_IF_EQUAL, 0, 1, numbers[column] or 0), (_RETURN, 0, 0, _REFUSE)]
    steps.append((_RETURN, 0, 0, _ALLOW))
    return b"".join(struct.pack("=HBBI", *step) for step in steps)


_Step = tuple[int, int, int, int]


def _decisions(pid: int) -> Iterator[tuple[str, list[_Step]]]:
    """What the arguments decide. Each ends in an answer."""
    unknown = [(_RETURN, 0, 0, _UNKNOWN)]
    # Its flags lie in memory, where a filter cannot look: the C library takes `clone` then.
    yield "clone3", unknown
    yield "openat2", unknown
    # A thread, but no process.
    yield "clone", [_argument(0), (_IF_ANY_BIT, 1, 0, _CLONE_THREAD), *_answers(_REFUSE, _ALLOW)]
    for name, place in (("open", 1), ("openat", 2)):
        yield name, [_argument(place), (_IF_ANY_BIT, 1, 0, _WRITING), *_answers(_ALLOW, _REFUSE)]
    # abort(3) signals its own process.
    for name in ("kill", "tgkill"):
        yield name, [_argument(0), (_IF_EQUAL, 1, 0, pid), *_answers(_REFUSE, _ALLOW)]
    # Limits may be read, not set: the pointer to new ones is null.
    yield (
        "prlimit64",
        [
            _argument(2),
            (_IF_EQUAL, 0, 2, 0),
            _argument(2, upper=True),
            (_IF_EQUAL, 1, 0, 0),
            *_answers(_REFUSE, _ALLOW),
        ],
    )


def _argument(place: int, *, upper: bool = False) -> _Step:
    """Load half of an argument (both machines are little-endian)."""
    return (_LOAD, 0, 0, _ARGUMENTS + 8 * place + 4 * upper)


def _answers(*answers: int) -> list[_Step]:
    return [(_RETURN, 0, 0, answer) for answer in answers]
