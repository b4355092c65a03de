"""Figures of a run, as a table and as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bench.accounting import Usage
from bench.load import Run


def percentile(values: Sequence[float], share: float) -> float:
    """Nearest-rank percentile."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def figures(run: Run, before: Mapping[str, Usage], after: Mapping[str, Usage]) -> dict[str, Any]:
    """Rates in files/s, times in ms, CPU in ms per file, memory in MiB."""
    return {
        "files": run.files,
        "accepted_per_second": run.files / run.accepted_seconds,
        "end_to_end_per_second": run.files / run.ended_seconds,
        "upload_p50_ms": percentile(run.upload, 0.5) * 1000,
        "upload_p99_ms": percentile(run.upload, 0.99) * 1000,
        "result_p50_ms": percentile(run.result, 0.5) * 1000,
        "result_p99_ms": percentile(run.result, 0.99) * 1000,
        "cpu_ms_per_file": {
            name: (after[name].cpu_seconds - before[name].cpu_seconds) * 1000 / run.files for name in after
        },
        "peak_mib": {name: used.peak_bytes / 2**20 for name, used in after.items()},
    }


def table(results: Mapping[str, Mapping[str, Any]]) -> str:
    """One column per system."""
    rows = [
        ("files/s accepted", "accepted_per_second"),
        ("files/s end to end", "end_to_end_per_second"),
        ("upload p50 ms", "upload_p50_ms"),
        ("upload p99 ms", "upload_p99_ms"),
        ("upload→result p50 ms", "result_p50_ms"),
        ("upload→result p99 ms", "result_p99_ms"),
        ("PostgreSQL WAL KiB/file", "postgresql_wal_kib_per_file"),
        ("PostgreSQL tables KiB/file", "postgresql_tables_kib_per_file"),
    ]
    lines = [["", *results]]
    lines += [[title, *(f"{found[key]:.1f}" for found in results.values())] for title, key in rows]
    for group, title in (("cpu_ms_per_file", "CPU ms/file"), ("peak_mib", "peak MiB")):
        names = list(dict.fromkeys(name for found in results.values() for name in found[group]))
        for name in names:
            cells = (
                f"{found[group][name]:.2f}" if name in found[group] else "-" for found in results.values()
            )
            lines.append([f"{title} {name}", *cells])
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(w) if i == 0 else cell.rjust(w)
            for i, (cell, w) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    )
