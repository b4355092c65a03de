"""`python -m bench.alone`: one file after the other on an idle system, and when each step of its way is over.

All times in milliseconds from the first byte sent; client and services share one machine and its clock.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import aiohttp

from bench.guard import SYSTEMS
from bench.load import watch
from tests.builders import ct_instance
from tests.e2e.processes import ADMIN, PASSWORD, Client

FIRST = 15
"""Of the files, these only warm things up."""
STEPS = ("received", "accepted", "measured", "recorded", "told")
"""The file is taken in, the upload answered, it is measured, its transaction begun, the live event here."""


async def ways(urls: Mapping[str, str], files: int, pause: float) -> list[tuple[float, ...]]:
    """Seconds until each of STEPS, a file at a time, with `pause` seconds between them."""
    found = []
    async with aiohttp.ClientSession() as session:
        client = Client(session, urls)
        await client.login(ADMIN, PASSWORD)
        offset = time.time() - time.perf_counter()
        ended: dict[str, float] = {}
        ready = asyncio.Event()
        watcher = asyncio.create_task(watch(client, ended, files, ready))
        await ready.wait()
        for number in range(files):
            content = ct_instance(rows=512, columns=512, seed=number)
            begun = time.perf_counter()
            status, body = await client.upload_raw(content)
            accepted = time.perf_counter()
            assert status == 202, body
            file_id = body["files"][0]["id"]
            while file_id not in ended:
                await asyncio.sleep(0.001)
            url = f"{urls['results']}/api/results/{file_id}"
            async with session.get(url, headers=client.headers) as answer:
                result = await answer.json()
            if result["received_at"] is None:
                continue  # the outcome has overtaken the event that tells of the file
            received, processed, changed = (
                _seconds(result[f"{step}_at"]) - offset for step in ("received", "processed", "changed")
            )
            moments = (received, accepted, processed, changed, ended[file_id])
            found.append(tuple(moment - begun for moment in moments))
            await asyncio.sleep(pause)
        await watcher
    return found[FIRST:]


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


def report(name: str, found: list[tuple[float, ...]]) -> str:
    """A line a step: median, and the slowest but one of twenty."""
    lines = [f"{name}, {len(found)} files"]
    for step, moments in zip(STEPS, zip(*found, strict=True), strict=True):
        slow = statistics.quantiles(moments, n=20)[-1]
        lines.append(f"  {step:9} p50 {statistics.median(moments) * 1000:6.1f}  p95 {slow * 1000:6.1f}")
    return "\n".join(lines)


async def measure(name: str, files: int, pause: float) -> list[tuple[float, ...]]:
    """On a fresh system."""
    with tempfile.TemporaryDirectory(prefix="dicom-alone-") as folder:
        async with SYSTEMS[name](Path(folder)) as system:
            return await ways(system.urls, FIRST + files, pause)


def main() -> int:
    """Measure, and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.alone", description=__doc__)
    parser.add_argument("--files", type=int, default=150)
    parser.add_argument("--pause", type=float, default=0.03, help="seconds between files")
    parser.add_argument("--system", choices=sorted(SYSTEMS), action="append")
    given = parser.parse_args()
    for name in given.system or sorted(SYSTEMS):
        sys.stdout.write(report(name, asyncio.run(measure(name, given.files, given.pause))) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
