"""Faults of decoders for processes with this folder on their PYTHONPATH: a file's PatientID says which.

Python runs it at the start of every process; what a decoder calls with the header first, does the rest.
"""

import ctypes
import itertools
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[3]))

from libs.common.encryption.stream import SegmentReader
from libs.dicom.parse.dicomjson import device_name
from libs.isolation import process
from libs.isolation.calls import Call
from services.processor import child

PATIENT_ID = "00100020"
MIB = 1 << 20

_device_name = device_name


def _segfault() -> None:
    ctypes.string_at(0)


def _hang() -> None:
    time.sleep(3600)


def _spin() -> None:
    while True:
        pass


def _eat() -> None:
    eaten = []
    while True:
        eaten.append(b"x" * (16 * MIB))


def _killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


_segment, _send_all = SegmentReader._segment, socket.socket.sendall


def _killed_at_segment(wanted: int) -> Callable[[], None]:
    """While so many segments of the object are decrypted and decoded."""

    def arm() -> None:
        read: set[int] = set()

        def segment(self: SegmentReader, index: int) -> bytes:
            read.add(index)
            if len(read) == wanted:
                _killed()
            return _segment(self, index)

        setattr(SegmentReader, "_segment", segment)  # noqa: B010  mypy knows that it is a function

    return arm


_answering: list[float] = []
"""The share of the next answer that is written."""


def _killed_in_answer(sent: float) -> Callable[[], None]:
    """When this share of the answer is written."""
    return lambda: _answering.append(sent)


def _sent(self: socket.socket, data: bytes, flags: int = 0) -> None:
    """From the start: whoever sends has looked this up before the file is looked at."""
    if _answering:
        _send_all(self, data[: int(len(data) * _answering.pop())], flags)
        _killed()
    _send_all(self, data, flags)


setattr(socket.socket, "sendall", _sent)  # noqa: B010  mypy knows that it is a function


FAULTS: dict[str, Callable[[], None]] = {
    "SEGFAULT": _segfault,
    "HANG": _hang,
    "SPIN": _spin,
    "EAT": _eat,
    "KILL-BEGUN": _killed,
    "KILL-DECRYPTING": _killed_at_segment(1),
    "KILL-DECODING": _killed_at_segment(3),
    "KILL-ANSWERING": _killed_in_answer(0.5),
    "KILL-ANSWERED": _killed_in_answer(1.0),
}


def _faulty(dicom: dict[str, Any]) -> str:
    for value in dicom.get(PATIENT_ID, {}).get("Value", ()):
        if value in FAULTS:
            FAULTS[value]()
    return _device_name(dicom)


EVERY = 11
"""Of so many files one finds its idle decoder killed before it is sent there, one before it is read."""
_give, _given = process.Child.give, itertools.count()


def _killed_around(self: process.Child, call: Call) -> None:
    # What has lost a decoder before it was begun is let off once only.
    number = next(_given) % EVERY if not self.calls and not call.spared else -1
    if number == EVERY // 3:
        os.kill(self.pid, signal.SIGKILL)
        os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
    if number == EVERY // 2:
        os.kill(self.pid, signal.SIGSTOP)
    _give(self, call)
    if number == EVERY // 2:
        os.kill(self.pid, signal.SIGKILL)


if os.environ.get("KILL_AROUND_SENDING"):
    setattr(process.Child, "give", _killed_around)  # noqa: B010  as above
vars(child)["device_name"] = _faulty
# A decoder has no environment of its parent's.
vars(process)["ENVIRONMENT"] = {**process.ENVIRONMENT, "PYTHONPATH": str(Path(__file__).parent)}
