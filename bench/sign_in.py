"""`make bench-sign-in`: sign-ins alone, beside uploads and beside guesses; how soon access ends; long lists.

One JSON line a figure; times are the client's.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from bench.crowd import measure_lists
from bench.people import Person, make_people, show, sign_in
from bench.report import percentile
from bench.revocation import measure_revocation
from bench.systems import embedded_system, separate_system
from tests.builders import ct_instance
from tests.e2e.processes import ADMIN, PASSWORD, Client

SYSTEMS = {"embedded": embedded_system, "rabbitmq": separate_system}
TRUSTED_PROXIES = "127.0.0.0/8"
"""So that one client can be at many addresses."""
PEOPLE = 16
SIGNING_IN = 4
"""People who sign in at once."""
LOADING = 8
"""Connections that upload, or guess."""
GUESSER = {"X-Forwarded-For": "198.51.100.66"}


async def measure_sign_ins(client: Client, people: Sequence[Person], seconds: float, beside: str) -> None:
    """SIGNING_IN people at once, for `seconds`."""
    turns, took, others = itertools.cycle(people), list[float](), 0
    begun = time.perf_counter()

    async def signing_in() -> None:
        nonlocal others
        while (started := time.perf_counter()) < begun + seconds:
            if await sign_in(client, next(turns)) == 200:
                took.append(time.perf_counter() - started)
            else:
                others += 1

    await asyncio.gather(*(signing_in() for _ in range(SIGNING_IN)))
    elapsed = time.perf_counter() - begun
    show(
        "sign-ins",
        beside=beside,
        per_second=len(took) / elapsed,
        p50_ms=percentile(took, 0.5) * 1000,
        p99_ms=percentile(took, 0.99) * 1000,
        count=len(took),
        refused=others,
    )


@asynccontextmanager
async def load(one: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """Repeat `one` over LOADING connections meanwhile."""

    async def again() -> None:
        while True:
            await one()

    tasks = [asyncio.create_task(again()) for _ in range(LOADING)]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome


async def measure_beside_uploads(client: Client, people: Sequence[Person], seconds: float) -> None:
    """Distinct CT instances of 128 KiB, as fast as they are taken."""
    seeds, accepted = itertools.count(), 0

    async def upload() -> None:
        nonlocal accepted
        status, body = await client.upload_raw(ct_instance(rows=256, columns=256, seed=next(seeds)))
        assert status == 202, body
        accepted += 1

    begun = time.perf_counter()
    async with load(upload):
        await measure_sign_ins(client, people, seconds, f"{LOADING} connections that upload")
    show("uploads", beside="sign-ins", per_second=accepted / (time.perf_counter() - begun))


async def measure_beside_guesses(client: Client, people: Sequence[Person], seconds: float) -> None:
    """Wrong passwords of everybody's from one address, as fast as they are answered."""
    turns: Iterator[Person] = itertools.cycle(people)
    answers: dict[int, int] = {}

    async def guess() -> None:
        person = next(turns)
        status = await sign_in(client, Person(person.id, person.name, GUESSER), "a wrong password")
        answers[status] = answers.get(status, 0) + 1

    async with load(guess):
        await measure_sign_ins(client, people, seconds, "one address that guesses")
    show("guesses", **{f"status_{status}": count for status, count in sorted(answers.items())})


async def measure(name: str, folder: Path, given: argparse.Namespace) -> None:
    """Every figure, on a fresh system."""
    async with (
        SYSTEMS[name](folder, TRUSTED_PROXIES=TRUSTED_PROXIES) as system,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session,
    ):
        admin = Client(session, system.urls)
        await admin.login(ADMIN, PASSWORD)
        people = await make_people(admin, PEOPLE)
        await measure_sign_ins(admin, people, given.seconds, "nothing")
        await measure_beside_guesses(admin, people, given.seconds)
        await measure_beside_uploads(admin, people, given.seconds)
        # A token lasts ten minutes.
        await admin.login(ADMIN, PASSWORD)
        await measure_revocation(admin, people[0], given.runs)
        await admin.login(ADMIN, PASSWORD)
        await measure_lists(admin, system.database, people[1], given.rows, given.calls)


def main() -> int:
    """Run them on one system."""
    parser = argparse.ArgumentParser(prog="python -m bench.sign_in", description=__doc__)
    parser.add_argument("--system", choices=sorted(SYSTEMS), default="rabbitmq")
    parser.add_argument("--seconds", type=float, default=15.0, help="for each kind of load")
    parser.add_argument("--runs", type=int, default=5, help="of each way to take access away")
    parser.add_argument("--rows", type=int, default=500_000, help="files of the group")
    parser.add_argument("--calls", type=int, default=200, help="of each list")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="dicom-bench-") as folder:
        asyncio.run(measure(given.system, Path(folder), given))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
