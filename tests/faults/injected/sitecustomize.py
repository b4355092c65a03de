"""Faults of decoders for processes with this folder on their PYTHONPATH: a file's PatientID says which.

Python runs it at the start of every process; what a decoder calls with the header first, does the rest.
"""

import ctypes
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[3]))

from libs.dicom.parse.dicomjson import device_name
from libs.isolation import process
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


FAULTS = {"SEGFAULT": _segfault, "HANG": _hang, "SPIN": _spin, "EAT": _eat}


def _faulty(dicom: dict[str, Any]) -> str:
    for value in dicom.get(PATIENT_ID, {}).get("Value", ()):
        if value in FAULTS:
            FAULTS[value]()
    return _device_name(dicom)


vars(child)["device_name"] = _faulty
# A decoder has no environment of its parent's.
vars(process)["ENVIRONMENT"] = {**process.ENVIRONMENT, "PYTHONPATH": str(Path(__file__).parent)}
