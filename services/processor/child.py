"""What runs inside a decoder process: one encrypted object in, its measures out.

The child knows one path and one data key at a time; it has no keyring, no network client and no database.
"""

from __future__ import annotations

import ctypes
import io
import math
import os
import resource
import signal
import time
import traceback
from dataclasses import dataclass, replace

from libs.common.encryption import DecryptingReader
from libs.common.errors import ObjectCorrupt, ObjectNotFound, ObjectUnreadable
from libs.common.events import FAILURE_DETAILS, FailureReason
from libs.common.memory import keep_large_buffers
from libs.dicom.faults import DicomFault
from libs.dicom.measure.analysis import Analysis, AnalysisLimits, analyse
from libs.dicom.parse.dicomjson import device_name
from libs.dicom.parse.sealed import Sealed
from services.processor.consumption import Consumption

PR_SET_PDEATHSIG = 1
BUFFER_BYTES = 64 * 1024


@dataclass(frozen=True)
class Measured:
    """The measures of one file."""

    analysis: Analysis
    device_name: str
    seconds: float = 0.0
    """How long it took in this process."""
    cpu_seconds: float = 0.0
    """CPU time of all threads."""
    peak_memory_bytes: int = 0
    """Most that was resident in this process meanwhile, the interpreter included."""


@dataclass(frozen=True)
class Refused:
    """Why this file can never be measured."""

    reason: FailureReason
    diagnosis: str
    """For the log of the processor only; it travels no further."""
    seconds: float = 0.0
    """How long it took in this process."""
    cpu_seconds: float = 0.0
    """CPU time of all threads; 0 for a child that was lost."""
    peak_memory_bytes: int = 0
    """Most that was resident in this process meanwhile; 0 for a child that was lost."""


def prepare(memory_bytes: int) -> None:
    """Make this process a decoder: bounded memory, no core dump, ended with its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    parent = os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)  # the parent died before the signal was armed
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
    keep_large_buffers()


def ready() -> int:
    """Pid of this decoder; asking for it makes the pool start one."""
    return os.getpid()


def measure_within(
    cpu_seconds: float, path: str, data_key: bytes, limits: AnalysisLimits
) -> Measured | Refused:
    """`measure_object` under a deadline in CPU time of all threads: beyond it the kernel ends us (SIGXCPU).

    Other work on the machine costs a file nothing then, and it holds within C code, too.
    """
    soft = math.ceil(time.process_time() + cpu_seconds)
    resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.RLIM_INFINITY))
    try:
        return measure_object(path, data_key, limits)
    finally:
        resource.setrlimit(resource.RLIMIT_CPU, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def measure_object(path: str, data_key: bytes, limits: AnalysisLimits) -> Measured | Refused:
    """Decrypt, decode and measure the object at `path`; a fault of the content is an answer."""
    started, taken = time.perf_counter(), Consumption()
    result = _measure(path, data_key, limits)
    return replace(
        result,
        seconds=time.perf_counter() - started,
        cpu_seconds=taken.cpu_seconds(),
        peak_memory_bytes=taken.peak_memory_bytes(),
    )


def _measure(path: str, data_key: bytes, limits: AnalysisLimits) -> Measured | Refused:
    try:
        with DecryptingReader(path, data_key) as raw, io.BufferedReader(raw, BUFFER_BYTES) as stream:
            trailer = raw.trailer()
            device = device_name(trailer.get("dicom", {}))
            return Measured(analyse(stream, limits, Sealed.from_trailer(trailer)), device)
    except DicomFault as fault:
        reason: FailureReason = fault.code if fault.code in FAILURE_DETAILS else "decode-failed"
        return Refused(reason, f"{fault.code}{_origin(fault.__cause__)}")
    except ObjectNotFound as error:
        return Refused("object-missing", str(error))
    except ObjectUnreadable:
        raise  # another attempt may succeed
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
