"""`python -m bench.soak`: what memory the services hold after each of many thousand files.

The last column is the growth of the service process since a tenth of the files, in bytes a file: zero, but
for noise, where nothing is kept of a file that has ended.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench.accounting import children
from bench.load import run_load
from bench.systems import System, embedded_system
from tests.builders import ct_instance

PAGE = os.sysconf("SC_PAGE_SIZE")


def resident(pid: int) -> int:
    """Bytes of a process in memory now (proc(5), statm); 0 when it is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE
    except (FileNotFoundError, ProcessLookupError):
        return 0


def memory(system: System) -> tuple[int, int]:
    """The service process, and the largest of its decoders."""
    root, postgres = system.trees["services"][0], system.trees["postgresql"][0]
    return resident(root), max((resident(pid) for pid in children(root) if pid != postgres), default=0)


async def soak(folder: Path, files: int, step: int, rows: int) -> Iterator[str]:
    """A line for each step."""
    lines = [f"{'files':>8}{'files/s':>9}{'service MiB':>13}{'decoder MiB':>13}{'bytes/file':>12}"]
    begun: tuple[int, int] | None = None
    async with embedded_system(folder) as system:
        for done in range(step, files + 1, step):
            contents = [ct_instance(rows=rows, columns=rows, seed=done + number) for number in range(step)]
            run = await run_load(system.urls, contents, connections=8, timeout=3600)
            service, decoder = memory(system)
            if begun is None and done * 10 >= files:
                begun = done, service
            grown = 0.0 if begun is None or done == begun[0] else (service - begun[1]) / (done - begun[0])
            rate = run.files / run.ended_seconds
            lines.append(f"{done:8}{rate:9.0f}{service / 2**20:13.1f}{decoder / 2**20:13.1f}{grown:12.1f}")
            sys.stderr.write(f"{lines[-1]}\n")
    return iter(lines)


def main() -> int:
    """All steps."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--step", type=int, default=5_000)
    parser.add_argument("--rows", type=int, default=64)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="dicom-soak-") as folder:
        Path(folder).chmod(0o755)
        lines = asyncio.run(soak(Path(folder), given.files, given.step, given.rows))
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
