"""How soon access that was taken back ends, on each service and in a live stream."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable

from bench.people import Person, admin_call, show
from tests.e2e.processes import PASSWORD, Client

SERVICES = {"auth": "/api/auth/directory?q=a", "ingest": "/api/files", "results": "/api/results"}
POLL_SECONDS = 0.02


async def measure_revocation(client: Client, person: Person, runs: int) -> None:
    """From the answer to whoever takes access away until each service, and a stream, knows."""
    one = f"{client.urls['auth']}/api/auth/users/{person.id}"
    ways = {
        "account closed": ("PATCH", one, {"is_active": False}),
        "sessions ended": ("DELETE", f"{one}/sessions", None),
    }
    for way, (method, url, body) in ways.items():
        worst = dict.fromkeys((*SERVICES, "stream"), 0.0)
        for _ in range(runs):
            await admin_call(client, "PATCH", one, {"is_active": True})
            theirs = Client(client.session, client.urls)
            await theirs.login(person.name, PASSWORD)
            for path in SERVICES.values():
                assert (await theirs.get(path))[0] == 200
            stream = await theirs.session.get(f"{theirs.urls['results']}/api/events", headers=theirs.headers)
            await admin_call(client, method, url, body)
            begun = time.perf_counter()
            waits = (*(refused(theirs, path) for path in SERVICES.values()), stream.read())
            took = await asyncio.gather(*(timed(wait, begun) for wait in waits))
            worst = {name: max(worst[name], now) for name, now in zip(worst, took, strict=True)}
        for name, seconds in worst.items():
            show("revocation", way=way, at=name, max_s=seconds, runs=runs)


async def refused(client: Client, path: str) -> None:
    """Ask until the answer is 401."""
    while (await client.get(path))[0] != 401:
        await asyncio.sleep(POLL_SECONDS)


async def timed(wait: Awaitable[object], begun: float) -> float:
    """Seconds since `begun` when it is done."""
    await wait
    return time.perf_counter() - begun
