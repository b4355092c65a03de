"""`python -m bench.replicas`: what a second copy of ingest, and of results, adds.

Uploads are accepted while no processor runs, so that only what accepts works; then lists are read. The
client, PostgreSQL and RabbitMQ have the same cores, so files or answers for each second of the copies' own
CPU tell whether copies hinder one another.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import aiohttp

from bench.accounting import usage_of
from bench.systems import separate_processes
from tests.builders import ct_instance
from tests.e2e.processes import Client, Process, start_all, stop_all, urls_of
from tests.ports import free_port

CONNECTIONS = 8


def copies(first: Process, count: int) -> list[Process]:
    """`first`, and others of its kind beside it."""
    more = [
        Process(first.module, first.environment, first.log.with_suffix(f".{number}.log"), free_port())
        for number in range(2, count + 1)
    ]
    return [first, *more]


async def rate(
    calls: int, replicas: Sequence[Process], call: Callable[[Process, int], Awaitable[None]]
) -> tuple[float, float]:
    """Calls a second over CONNECTIONS connections, in turns; and calls for a second of the copies' CPU."""
    turns, numbers = itertools.cycle(replicas), iter(range(calls))

    async def caller() -> None:
        for number in numbers:
            await call(next(turns), number)

    def used() -> float:
        return sum(usage_of(process.pid).cpu_seconds for process in replicas)

    started, before = time.perf_counter(), used()
    await asyncio.gather(*(caller() for _ in range(CONNECTIONS)))
    return calls / (time.perf_counter() - started), calls / (used() - before)


async def measured(folder: Path, count: int, files: int, rounds: int) -> list[str]:
    """Lines of `count` copies each."""
    lines = []
    with separate_processes(folder) as (made, _, _):
        del made["processor"]
        ingests, results = copies(made["ingest"], count), copies(made["results"], count)
        running = [made["auth"], *ingests, *results]
        await start_all(running)
        try:
            async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
                client = Client(session, urls_of(made))
                await client.login()

                async def upload(to: Process, number: int) -> None:
                    headers = {**client.headers, "Content-Type": "application/dicom"}
                    url = f"{to.url}/api/files"
                    async with session.post(url, data=contents[number], headers=headers) as answer:
                        assert answer.status == 202, await answer.text()

                async def read(of: Process, _number: int) -> None:
                    url = f"{of.url}/api/results?limit=50"
                    async with session.get(url, headers=client.headers) as answer:
                        assert answer.status == 200, await answer.text()
                        await answer.read()

                for turn in range(rounds + 1):
                    contents = [
                        ct_instance(seed=turn * files + n, rows=512, columns=512) for n in range(files)
                    ]
                    accepted, read_rate = await rate(files, ingests, upload), await rate(files, results, read)
                    if turn:  # the first warms them up
                        lines.append(
                            f"{count} of each: {accepted[0]:6.0f} files/s, {accepted[1]:6.0f} a CPU second;"
                            f" {read_rate[0]:6.0f} lists/s, {read_rate[1]:6.0f} a CPU second"
                        )
        finally:
            stop_all(running)
    return lines


def main() -> int:
    """One of each, two of each."""
    parser = argparse.ArgumentParser(prog="python -m bench.replicas", description=__doc__)
    parser.add_argument("--files", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    for count in (1, 2):
        with tempfile.TemporaryDirectory(prefix="dicom-replicas-") as folder:
            Path(folder).chmod(0o755)
            lines = asyncio.run(measured(Path(folder) / "system", count, given.files, given.rounds))
        sys.stdout.write("\n".join(lines) + "\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
