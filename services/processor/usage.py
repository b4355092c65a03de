"""How busy the decoder processes are and what they cost, looked up at each scrape."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterable
from pathlib import Path

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from services.processor.pool import DecoderPool

_TICK = 1.0 / os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
PROC = Path("/proc")


class DecoderUsage(Collector):
    """Prometheus metrics of a pool's decoders."""

    def __init__(self, pool: DecoderPool) -> None:
        """To be made before any file is measured: children that ended before do not count."""
        self._pool = pool
        self._before = _ended_seconds()
        self._highest = 0.0

    def collect(self) -> Iterable[Metric]:
        """CPU of those that ended (the kernel's sum) and of those that live; memory of the latter."""
        ended = _ended_seconds() - self._before
        living = [_usage(pid) for pid in self._pool.pids]
        # One that ends in between is in neither sum for a moment; a counter must not go back for that.
        self._highest = max(self._highest, ended + sum(seconds for seconds, _ in living))
        pool = self._pool
        yield GaugeMetricFamily(
            "processor_slots", "Decoder processes that may work side by side", value=pool.slots
        )
        yield GaugeMetricFamily(
            "processor_slots_busy", "Decoder processes that work on a file", value=pool.busy
        )
        yield CounterMetricFamily(
            "processor_decoder_restarts",
            "Decoder processes replaced because they crashed, hung or were ended from outside",
            value=pool.replaced,
        )
        yield CounterMetricFamily(
            "processor_decoder_cpu_seconds",
            "CPU time of decoder processes, those that ended included",
            value=self._highest,
        )
        yield GaugeMetricFamily(
            "processor_decoder_resident_bytes",
            "Resident memory of all decoder processes",
            value=sum(resident for _, resident in living),
        )


def resident(pool: DecoderPool) -> list[int]:
    """Resident bytes of each decoder process that lives."""
    return [_usage(pid)[1] for pid in pool.pids]


def _ended_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _usage(pid: int) -> tuple[float, int]:
    """CPU seconds and resident bytes (proc(5): stat fields 14 and 15, statm field 2); 0 once it is gone."""
    try:
        fields = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
        pages = int((PROC / str(pid) / "statm").read_text().split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return 0.0, 0
    return (int(fields[11]) + int(fields[12])) * _TICK, pages * _PAGE
