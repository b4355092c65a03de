"""What one file takes of the process that decodes it: CPU time and peak memory."""

from __future__ import annotations

import os
import resource
import time
from pathlib import Path

PROCESS = Path("/proc/self")
_KIB = 1024
_RESET_PEAK = b"5\n"
"""Written to clear_refs it makes VmHWM begin anew at what is resident now (proc(5))."""
_PEAK = b"VmHWM:"
_STATUS_BYTES = 8192


class Consumption:
    """Of the whole process, all threads and codecs included, from one `begin` to the next."""

    def __init__(self) -> None:
        """Opens what it reads and writes for good: once a process is confined, it can open nothing."""
        self._clear_refs = _opened("clear_refs", os.O_WRONLY)
        self._status = _opened("status", os.O_RDONLY)
        self._cpu = 0.0
        self._exact = False
        self.begin()

    def begin(self) -> None:
        """Count from here. Where the kernel cannot begin the peak anew, it is that of the whole life."""
        self._cpu = time.process_time()
        try:
            self._exact = os.pwrite(self._clear_refs, _RESET_PEAK, 0) > 0
        except OSError:  # /proc mounted read-only, or a kernel without it
            self._exact = False

    def cpu_seconds(self) -> float:
        """CPU time of all threads since then."""
        return time.process_time() - self._cpu

    def peak_memory_bytes(self) -> int:
        """Most that was resident at once since then, the interpreter and what it keeps included."""
        if self._exact and self._status >= 0:
            found = os.pread(self._status, _STATUS_BYTES, 0)
            start = found.find(_PEAK)
            if start >= 0:
                return int(found[start + len(_PEAK) :].split(maxsplit=1)[0]) * _KIB
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _KIB

    def close(self) -> None:
        """Close the files."""
        for descriptor in (self._clear_refs, self._status):
            if descriptor >= 0:
                os.close(descriptor)
        self._clear_refs = self._status = -1

    def __del__(self) -> None:
        self.close()


def _opened(name: str, mode: int) -> int:
    """A descriptor; -1 where there is no such file."""
    try:
        return os.open(PROCESS / name, mode | os.O_CLOEXEC)
    except OSError:
        return -1
