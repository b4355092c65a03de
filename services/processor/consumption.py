"""What one file takes of the process that decodes it: CPU time and peak memory."""

from __future__ import annotations

import resource
import time
from pathlib import Path

PROCESS = Path("/proc/self")
_KIB = 1024
_RESET_PEAK = b"5\n"
"""Written to clear_refs it makes VmHWM begin anew at what is resident now (proc(5))."""


class Consumption:
    """Counts from where it is made, for the whole process: all threads, codecs included."""

    def __init__(self) -> None:
        """Begin. Where the kernel cannot begin the peak anew, it is that of the process's whole life."""
        self._cpu = time.process_time()
        self._exact = True
        try:
            (PROCESS / "clear_refs").write_bytes(_RESET_PEAK)
        except OSError:  # /proc mounted read-only, or a kernel without it
            self._exact = False

    def cpu_seconds(self) -> float:
        """CPU time of all threads since then."""
        return time.process_time() - self._cpu

    def peak_memory_bytes(self) -> int:
        """Most that was resident at once since then, the interpreter and what it keeps included."""
        if self._exact:
            for line in (PROCESS / "status").read_bytes().splitlines():
                if line.startswith(b"VmHWM:"):
                    return int(line.split()[1]) * _KIB
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _KIB
