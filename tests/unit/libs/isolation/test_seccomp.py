"""The filter is what the kernel would run: played here over system calls of both architectures."""

from __future__ import annotations

import errno
import struct

import pytest

from libs.isolation.seccomp import ARCHITECTURES, filter_of
from libs.isolation.syscalls import DENIED, SPECIAL

ALLOWED, KILLED = 0x7FFF0000, 0x80000000
REFUSED, UNKNOWN = 0x50000 | errno.EPERM, 0x50000 | errno.ENOSYS
PID = 77


def answer(machine: str, number: int, *arguments: int, architecture: int | None = None) -> int:
    """Run the filter over one call."""
    own, _, _ = ARCHITECTURES[machine]
    padded = (*arguments, *[0] * (6 - len(arguments)))
    data = struct.pack("=IIQ6Q", number, own if architecture is None else architecture, 0, *padded)
    program = list(struct.iter_unpack("=HBBI", filter_of(machine, PID)))
    at, loaded = 0, 0
    while True:
        code, then, otherwise, operand = program[at]
        at += 1
        match code:
            case 0x06:
                return int(operand)
            case 0x20:
                (loaded,) = struct.unpack_from("=I", data, operand)
            case 0x15:
                at += then if loaded == operand else otherwise
            case 0x35:
                at += then if loaded >= operand else otherwise
            case 0x45:
                at += then if loaded & operand else otherwise
            case _:
                pytest.fail(f"unknown code {code:#x}")


@pytest.mark.parametrize(("machine", "column"), [("x86_64", 0), ("aarch64", 1)])
def test_what_is_listed_is_refused_and_nothing_else(machine: str, column: int) -> None:
    listed = {numbers[column] for numbers in DENIED.values()}
    special = {numbers[column] for numbers in SPECIAL.values()}
    assert not (listed & special) - {None}
    for number in range(500):
        if number not in special:
            assert answer(machine, number) == (REFUSED if number in listed else ALLOWED), number


@pytest.mark.parametrize(("machine", "column"), [("x86_64", 0), ("aarch64", 1)])
@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("clone", (0x11,), REFUSED),
        ("clone", (0x3D0F00,), ALLOWED),
        ("clone3", (), UNKNOWN),
        ("openat2", (), UNKNOWN),
        ("openat", (0, 0, 0o2000000), ALLOWED),
        ("openat", (0, 0, 0o2000001), REFUSED),
        ("openat", (0, 0, 0o2), REFUSED),
        ("openat", (0, 0, 0o100), REFUSED),
        ("open", (0, 0), ALLOWED),
        ("open", (0, 0o1000), REFUSED),
        ("kill", (PID, 6), ALLOWED),
        ("kill", (1, 9), REFUSED),
        ("kill", (0xFFFFFFFFFFFFFFFF, 9), REFUSED),
        ("tgkill", (PID, PID, 6), ALLOWED),
        ("tgkill", (1, 1, 9), REFUSED),
        ("prlimit64", (0, 4, 0), ALLOWED),
        ("prlimit64", (0, 4, 0x7FFF00001000), REFUSED),
        ("prlimit64", (0, 4, 0x7FFF00000000), REFUSED),
    ],
)
def test_what_arguments_decide(
    machine: str, column: int, name: str, arguments: tuple[int, ...], expected: int
) -> None:
    number = SPECIAL[name][column]
    if number is not None:
        assert answer(machine, number, *arguments) == expected


def test_other_architectures_end_the_process() -> None:
    other = ARCHITECTURES["aarch64"][0]
    assert answer("x86_64", 0, architecture=other) == KILLED
    assert answer("x86_64", 0, architecture=0x40000003) == KILLED, "i386"
    assert answer("x86_64", 0x40000000) == KILLED, "x32"
    assert answer("aarch64", 0, architecture=ARCHITECTURES["x86_64"][0]) == KILLED
