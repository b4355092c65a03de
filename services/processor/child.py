"""What a decoder process does: one encrypted object in, its measures out.

It has the open ciphertext and the data key of one object at a time; no keyring, no network, no database.
"""

from __future__ import annotations

import io
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace

import orjson

from libs.common.encryption import DecryptingReader
from libs.common.errors import ObjectCorrupt, ObjectUnreadable
from libs.common.events import FAILURE_DETAILS, FailureReason
from libs.common.memory import keep_large_buffers
from libs.dicom.faults import DicomFault
from libs.dicom.measure.analysis import AnalysisLimits, analyse
from libs.dicom.parse.dicomjson import device_name
from libs.dicom.parse.sealed import Sealed
from services.processor.answers import UNREADABLE, Measured, Refused, encoded
from services.processor.consumption import Consumption

WORK = f"{__name__}:decoder"
BUFFER_BYTES = 64 * 1024


def settings_of(limits: AnalysisLimits) -> bytes:
    """What `decoder` is told."""
    return orjson.dumps(asdict(limits))


def decoder(settings: bytes) -> Callable[[tuple[bytes, ...], int], Sequence[bytes]]:
    """Make the work of a decoder process: the call's one part is the data key of the object in the file."""
    limits = AnalysisLimits(**orjson.loads(settings))
    keep_large_buffers()
    taken = Consumption()

    def work(parts: tuple[bytes, ...], descriptor: int) -> Sequence[bytes]:
        (data_key,) = parts
        try:
            return encoded(measure_object(descriptor, data_key, limits, taken))
        except ObjectUnreadable:
            return [UNREADABLE]  # another attempt may succeed

    return work


def measure_object(
    descriptor: int, data_key: bytes, limits: AnalysisLimits, taken: Consumption
) -> Measured | Refused:
    """Decrypt, decode and measure the object in an open file, and close it; its faults are an answer.

    Raises ObjectUnreadable.
    """
    started = time.perf_counter()
    taken.begin()
    result = _measure(descriptor, data_key, limits)
    return replace(
        result,
        seconds=time.perf_counter() - started,
        cpu_seconds=taken.cpu_seconds(),
        peak_memory_bytes=taken.peak_memory_bytes(),
    )


def _measure(descriptor: int, data_key: bytes, limits: AnalysisLimits) -> Measured | Refused:
    try:
        with DecryptingReader(descriptor, data_key) as raw, io.BufferedReader(raw, BUFFER_BYTES) as stream:
            trailer = raw.trailer()
            device = device_name(trailer.get("dicom", {}))
            return Measured(analyse(stream, limits, Sealed.from_trailer(trailer)), device)
    except DicomFault as fault:
        reason: FailureReason = fault.code if fault.code in FAILURE_DETAILS else "decode-failed"
        return Refused(reason, f"{fault.code}{_origin(fault.__cause__)}")
    except ObjectUnreadable:
        raise
    except ObjectCorrupt as error:
        return Refused("object-corrupt", str(error))
    except MemoryError:
        return Refused("memory-limit", "the decoder ran out of memory")


def _origin(error: BaseException | None) -> str:
    """Kind and place of the error behind a fault; not its text, which may quote the data set."""
    if error is None:
        return ""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    return f", {type(error).__name__}{place}"
