"""What a given rate of uploads needs, from figures measured by `make bench` on RabbitMQ."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from bench.arrivals import Mix, mean_seconds

RATES = (10, 100, 1_000, 10_000)
"""Files a second."""
HEADROOM = 0.6
"""Share of a core that is planned to be busy: the rest is for peaks, restarts and the second of two nodes."""
FILE_KIB = 514.0
"""What is sent and stored for one 512×512 CT slice."""
CONFIRMED, DELIVERED = 2, 3
"""AMQP messages per file: `received` and an outcome are published; three queues take one each."""


def capacity_table(bench: Mapping[str, Any], mix: Mix) -> str:
    """Two Markdown tables: files per hour and core by kind, and cores by rate."""
    return f"{per_core(mix)}\n\n{sizing(bench['rabbitmq'], mix)}"


def per_core(mix: Mix) -> str:
    """One row per kind of file, and the mix."""
    rows = [(kind.name, f"{kind.share:.0%}", kind.seconds) for kind in mix]
    rows.append(("the mix", "100%", mean_seconds(mix)))
    return markdown(
        ["file", "share of the mix", "slot ms", "files/hour per processor core"],
        [[name, share, f"{seconds * 1000:.1f}", f"{3600 / seconds:,.0f}"] for name, share, seconds in rows],
    )


def sizing(figures: Mapping[str, Any], mix: Mix) -> str:
    """One row per rate; cores are whole and planned with HEADROOM."""
    cpu = {name: ms / 1000 for name, ms in figures["cpu_ms_per_file"].items()}
    cpu["processor"] = mean_seconds(mix)
    wal, tables = figures["postgresql_wal_kib_per_file"], figures["postgresql_tables_kib_per_file"]
    names = ("ingest", "processor", "results", "postgresql", "rabbitmq")
    rows = []
    for rate in RATES:
        cores = [f"{math.ceil(rate * cpu[name] / HEADROOM):,}" for name in names]
        rows.append(
            [
                f"{rate:,}",
                f"{rate * 3600:,}",
                *cores,
                f"{rate * wal / 1024:,.1f}",
                f"{rate * tables * 86400 / 2**20:,.0f}",
                f"{rate * CONFIRMED:,} / {rate * DELIVERED:,}",
                f"{rate * FILE_KIB * 8 * 1024 / 1e9:,.2f}",
                f"{rate * FILE_KIB * 86400 / 2**30:,.1f}",
            ]
        )
    head = ["files/s", "files/hour", *(f"{name} cores" for name in names), "WAL MiB/s", "tables GiB/day",
            "messages/s in / out", "Gbit/s", "objects TiB/day"]  # fmt: skip
    return markdown(head, rows)


def replace_section(text: str, name: str, content: str) -> str:
    """Put `content` between the markers of section `name`. Raises LookupError without markers."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    found, times = pattern.subn(lambda _: f"{begin}\n{content}\n{end}", text)
    if times != 1:
        raise LookupError(f"{begin} … {end} must stand in the text once.")
    return found


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
