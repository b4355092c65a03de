"""The audit log handed on to who collects it: every entry, in order, over failures and restarts."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from prometheus_client import CollectorRegistry

from libs.common.database.postgres import Connection, Database
from libs.common.errors import Unavailable
from services.auth.audit import forwarding
from services.auth.audit.chain import GENESIS, Link, chained
from services.auth.audit.forwarding import MOST_ENTRIES, Forwarder
from services.auth.audit.noted import read_entry
from services.auth.audit.sinks import FileSink, Sink, WebhookSink, lines
from services.auth.audit.verification import Row
from services.auth.metrics import AuthMetrics
from tests.audit_support import entries, metrics, note, sealer_of
from tests.certificates import Certificates
from tests.waiting import eventually

SECRET = b"a secret of the receiver and ours"


@pytest.fixture
async def database(role_url: Callable[[str], str]) -> AsyncIterator[Database]:
    found = Database(role_url("auth"), size=4, timeout=10, application_name="test")
    await found.open()
    yield found
    await found.close()


@dataclass
class Taker:
    """A sink that keeps what it is given, or fails."""

    name: str = "taker"
    taken: list[int] = field(default_factory=list)
    failing: bool = False

    async def take(self, rows: Sequence[Row]) -> None:
        if self.failing:
            raise Unavailable("not now")
        self.taken += [row.link.seq for row in rows]

    async def close(self) -> None:
        """Nothing to let go of."""


async def sealed(sql: Connection, database: Database, count: int) -> None:
    await note(sql, *entries(count))
    assert await sealer_of(database).seal() == count


def forwarder(database: Database, sink: Sink) -> Forwarder:
    return Forwarder(database, [sink], metrics())


async def test_nothing_is_lost_over_failures_and_restarts(sql: Connection, database: Database) -> None:
    sink = Taker()
    await sealed(sql, database, MOST_ENTRIES + 20)
    first = forwarder(database, sink)
    assert await first.forward(sink) == MOST_ENTRIES
    sink.failing = True
    with pytest.raises(Unavailable):
        await first.forward(sink)
    assert await first.told() == MOST_ENTRIES
    sink.failing = False
    # What was killed holds its lease to the end.
    second = forwarder(database, sink)
    assert await second.forward(sink) == 0
    await sql.execute("UPDATE auth.audit_sink SET leased_until = now() - interval '1 s'")
    assert await second.forward(sink) == 20
    assert await second.forward(sink) == 0
    assert sink.taken == list(range(1, MOST_ENTRIES + 21))
    # Whoever lost the lease moves nothing.
    await sealed(sql, database, 1)
    assert await first.forward(sink) == 0
    assert await second.forward(sink) == 1


async def test_two_replicas_hand_each_entry_on_once(sql: Connection, database: Database) -> None:
    sink = Taker()
    await sealed(sql, database, 30)
    replicas = [forwarder(database, sink) for _ in range(3)]
    handed = await asyncio.gather(*(one.forward(sink) for one in replicas))
    assert sorted(handed) == [0, 0, 30]
    assert sink.taken == list(range(1, 31))


async def test_a_sink_that_comes_back_gets_what_it_missed(
    sql: Connection, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forwarding, "POLL_SECONDS", 0.01)
    sink = Taker(failing=True)
    await sealed(sql, database, 5)
    registry = CollectorRegistry()
    serving = asyncio.create_task(Forwarder(database, [sink], AuthMetrics(registry)).run())

    def failures() -> float:
        return registry.get_sample_value("audit_sink_failures_total", {"sink": "taker"}) or 0

    await eventually(lambda: failures() >= 2)
    sink.failing = False
    await eventually(lambda: sink.taken == [1, 2, 3, 4, 5])
    serving.cancel()
    await asyncio.wait([serving])


def rows(count: int) -> list[Row]:
    read = [read_entry(entry.to_json(), datetime.now(UTC)) for entry in entries(count)]
    return [Row(link, entry) for link, entry in zip(chained(Link(0, GENESIS), read), read, strict=True)]


async def test_a_file_is_put_aside_when_it_has_grown(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    some = rows(12)
    most = 3 * len(lines(some[:1])) + 10
    sink = FileSink(path, most_bytes=most, count=2)
    for row in some:
        await sink.take([row])
    names = sorted(one.name for one in tmp_path.iterdir())
    assert names == ["audit.jsonl", "audit.jsonl.1", "audit.jsonl.2"]
    kept = b"".join((tmp_path / name).read_bytes() for name in reversed(names))
    told = [orjson.loads(line)["seq"] for line in kept.splitlines()]
    assert told == [4, 5, 6, 7, 8, 9, 10, 11, 12]
    assert all((tmp_path / name).stat().st_size <= most for name in names)


async def test_a_line_that_a_crash_cut_off_spoils_no_other(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    some = rows(2)
    path.write_bytes(lines(some[:1])[:-20])
    await FileSink(path, most_bytes=1 << 20, count=1).take(some)
    torn, *whole = path.read_bytes().splitlines()
    with pytest.raises(ValueError):
        orjson.loads(torn)
    assert [orjson.loads(line)["seq"] for line in whole] == [1, 2]


async def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="AUDIT_SINK_FILE"):
        await FileSink(tmp_path / "none" / "a", most_bytes=1 << 20, count=1).take(rows(1))


class Receiver:
    """A SIEM that checks signatures."""

    def __init__(self) -> None:
        self.seen: list[int] = []
        self.ids: list[str] = []
        self.status = 200

    async def collect(self, request: web.Request) -> web.Response:
        body = await request.read()
        named, when = request.headers["webhook-id"], request.headers["webhook-timestamp"]
        mac = hmac.new(SECRET, f"{named}.{when}.".encode() + body, hashlib.sha256).digest()
        assert request.headers["webhook-signature"] == f"v1,{base64.b64encode(mac).decode()}"
        if self.status != 200:
            return web.Response(status=self.status, headers={"Location": "https://elsewhere.example/"})
        self.ids.append(named)
        self.seen += [orjson.loads(line)["seq"] for line in body.splitlines()]
        return web.Response(status=204)


@pytest.fixture
async def receiver(tmp_path: Path) -> AsyncIterator[tuple[Receiver, str, Path]]:
    certificates = Certificates(tmp_path / "certs")
    files = certificates.issue(tmp_path / "siem")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(files.certificate, files.key)
    found = Receiver()
    app = web.Application()
    app.router.add_post("/collect", found.collect)
    server = TestServer(app, scheme="https")
    await server.start_server(ssl=context)
    yield found, f"https://localhost:{server.port}/collect?token=hidden", certificates.ca_file
    await server.close()


async def test_posts_are_signed_and_repeated_until_they_are_taken(
    sql: Connection, database: Database, receiver: tuple[Receiver, str, Path]
) -> None:
    siem, url, ca_file = receiver
    sink = WebhookSink(url, SECRET, ca_file)
    await sealed(sql, database, 3)
    one = forwarder(database, sink)
    for status in (500, 401, 302):
        siem.status = status
        with pytest.raises(Unavailable, match=str(status)) as refused:
            await one.forward(sink)
        assert "hidden" not in refused.value.detail
    siem.status = 200
    assert await one.forward(sink) == 3
    assert (siem.seen, siem.ids) == ([1, 2, 3], ["audit-1-3"])
    await sink.close()


async def test_a_receiver_without_a_trusted_certificate_gets_nothing(
    receiver: tuple[Receiver, str, Path], tmp_path: Path
) -> None:
    siem, url, _ = receiver
    stranger = Certificates(tmp_path / "others")
    sink = WebhookSink(url, SECRET, stranger.ca_file)
    with pytest.raises(Unavailable):
        await sink.take(rows(1))
    assert siem.seen == []
    await sink.close()
