"""The reconciliation on real PostgreSQL, storage and RabbitMQ: each discrepancy made, found and mended."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import aio_pika
import orjson
import pytest
from pydantic import SecretStr

from libs.common.bus.topology import PROCESSOR_WORK, TOPOLOGY, dead_queue
from libs.common.events import new_event
from libs.common.ids import attempts_key, file_key, new_file_id, thumbnail_key
from libs.common.resources import service_storage
from services.operator.reconcile import command
from services.operator.reconcile import store as reconcile_store
from services.operator.reconcile.findings import Discrepancy, Options
from services.operator.reconcile.reconciliation import Reconciliation
from services.operator.settings import OperatorSettings
from tests.builders import ct_instance
from tests.fixtures_reconcile import OWNER, World
from tests.ingest_support import sender
from tests.unit.services.results.events import failed
from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]


async def test_a_system_at_rest_is_consistent(world: World) -> None:
    for _ in range(3):
        await world.process(await world.accept())
    assert await world.look() == []


async def test_files_under_way_are_not_judged(world: World) -> None:
    file_id = await world.accept()
    assert await world.look(older_than=30.0) == []
    await world.sql.execute("UPDATE ingest.upload_dicomfile SET uploaded_at = now() - interval '1 day'")
    # Its event was passed on a minute ago.
    assert await world.look(older_than=300.0) == []
    await world.sql.execute("UPDATE ingest.outbox SET published_at = NULL")
    assert await world.look() == []
    await world.sql.execute("UPDATE ingest.outbox SET published_at = now() - interval '1 minute'")
    assert await world.look(backlog=True) == []
    assert await world.kinds(older_than=30.0) == {("not-in-results", str(file_id))}


async def test_a_file_that_results_lost_is_queued_again_as_it_was(world: World) -> None:
    lost, _ = await world.accept(), await world.process(await world.accept())
    (original,) = await world.announced(lost)
    assert await world.look() == [Discrepancy("not-in-results", str(lost))]
    assert await world.look(repair=True) == [Discrepancy("not-in-results", str(lost), repaired=True)]
    assert await world.announced(lost) == [original, original]
    # Now it is on its way.
    assert await world.look() == []


async def test_a_received_file_that_nobody_works_on_is_queued_again(world: World) -> None:
    stalled = await world.accept()
    (data,) = await world.announced(stalled)
    await world.results.publish(new_event("/ingest", data))
    assert await world.kinds(repair=True) == {("stalled", str(stalled))}
    assert len(await world.announced(stalled)) == 2


async def test_a_lost_thumbnail_and_a_lost_header_are_made_again(world: World) -> None:
    first, second = [await world.process(await world.accept()) for _ in range(2)]
    await world.storage.delete(thumbnail_key(first))
    await world.sql.execute(
        "UPDATE results.upload_dicomresult SET raw_data = NULL WHERE file_id = $1", second
    )
    expected = {("thumbnail-missing", str(first)), ("header-missing", str(second))}
    assert await world.kinds(repair=True) == expected
    for file_id in (first, second):
        assert len(await world.announced(file_id)) == 2
        await world.process(file_id)
    await world.sql.execute("UPDATE ingest.outbox SET published_at = now() - interval '1 minute'")
    assert await world.look() == []


async def test_ingest_is_told_of_a_failure_it_missed(world: World) -> None:
    file_id = await world.accept()
    (data,) = await world.announced(file_id)
    await world.results.publish(new_event("/ingest", data), failed(file_id, OWNER))
    assert await world.look(repair=True) == [Discrepancy("failure-not-noted", str(file_id), repaired=True)]
    assert await world.look() == []
    assert await world.sql.fetchval("SELECT failed_at IS NOT NULL FROM ingest.upload_dicomfile")


async def test_a_lost_object_is_a_loss_and_stays_one(world: World) -> None:
    gone, broken = [await world.process(await world.accept()) for _ in range(2)]
    never_seen = await world.accept()
    world.path(str(gone)).unlink()
    world.path(str(never_seen)).unlink()
    with world.path(str(broken)).open("r+b") as file:
        file.seek(-20, os.SEEK_END)
        file.write(bytes(20))
    expected = {
        ("object-missing", str(gone)),
        ("object-missing", str(never_seen)),
        ("not-in-results", str(never_seen)),
    }
    # A broken object is there; whoever opens it finds out.
    assert await world.kinds() == expected
    await world.sql.execute(
        "UPDATE results.upload_dicomresult SET raw_data = NULL WHERE file_id = $1", broken
    )
    found = await world.look(repair=True)
    assert {(f.kind, f.subject) for f in found} == expected | {("object-corrupt", str(broken))}
    assert {f.kind for f in found if f.repaired} == {"not-in-results"}


async def test_a_row_that_ingest_lost_is_made_from_the_result(world: World) -> None:
    file_id, unknown = [await world.process(await world.accept()) for _ in range(2)]
    before = await world.sql.fetchrow("SELECT * FROM ingest.upload_dicomfile WHERE id = $1", file_id)
    await world.sql.execute("DELETE FROM ingest.upload_dicomfile")
    await world.sql.execute(
        "UPDATE results.upload_dicomresult SET received_at = NULL WHERE file_id = $1", unknown
    )
    expected = {("result-without-file", str(file_id)), ("result-without-file", str(unknown))}
    found = await world.look(repair=True)
    assert {(f.kind, f.subject) for f in found} == expected
    assert [f.subject for f in found if f.repaired] == [str(file_id)]
    after = await world.sql.fetchrow("SELECT * FROM ingest.upload_dicomfile WHERE id = $1", file_id)
    assert before is not None
    assert after is not None
    differing = {name for name in before.keys() if before[name] != after[name]}
    assert differing <= {"uploaded_at", "decoded_bytes"}
    # Its objects belong to a result, so they are no orphans.
    world.make_old(str(unknown))
    assert await world.kinds(delete_orphans=True) == {("result-without-file", str(unknown))}


async def test_given_up_events_are_replayed(world: World) -> None:
    file_id = await world.accept()
    await world.sql.execute(
        "UPDATE ingest.outbox SET published_at = NULL, dead_at = now(), dead_reason = 'no such thing'"
    )
    assert await world.kinds() == {("outbox-dead", str(file_id)), ("not-in-results", str(file_id))}
    (found,) = await world.look(repair=True)
    assert (found.kind, found.repaired) == ("outbox-dead", True)
    assert "no such thing" in (found.detail or "")
    assert await world.look() == []
    assert len(await world.announced(file_id)) == 1


async def test_orphans_go_only_when_asked_for_and_old(world: World) -> None:
    kept, orphan = await world.process(await world.accept()), await world.process(await world.accept())
    for file_id in (kept, orphan):  # a worker was lost with it
        await world.storage.put(attempts_key(file_id), b"", {"attempt": 2})
    keys = (str(orphan), str(thumbnail_key(orphan)), str(attempts_key(orphan)))
    await world.forget(orphan)
    # As releases before sealed it: it does not say whose it is.
    await world.storage.put(file_key(orphan), b"DICM", {"file_name": "a.dcm", "dicom": {}})
    assert await world.look(repair=True, delete_orphans=True) == []
    for key in (*keys, str(kept), str(attempts_key(kept))):
        world.make_old(key)
    assert await world.kinds(repair=True) == {("orphan-object", key) for key in keys}
    assert all(f.repaired for f in await world.look(delete_orphans=True))
    assert await world.look() == []
    assert await world.storage.exists(file_key(kept))


async def test_orphans_are_kept_where_the_database_knows_no_file(world: World) -> None:
    orphan = str(new_file_id())
    await world.storage.put(file_key(UUID(orphan)), b"DICM", {})
    world.make_old(orphan)
    (found,) = await world.look(delete_orphans=True)
    assert (found.kind, found.repaired) == ("orphan-object", False)
    assert "knows no file at all" in (found.detail or "")
    assert await world.storage.exists(file_key(UUID(orphan)))


async def test_beside_uploads_nothing_looks_wrong(world: World) -> None:
    """Objects appear before rows, rows before results: looking in between finds nothing."""

    async def upload(seed: int) -> None:
        async def pieces() -> AsyncIterator[bytes]:
            yield ct_instance(seed=seed)

        await world.intake.receive(pieces(), f"{seed}.dcm", sender(OWNER))

    uploading = asyncio.gather(*(upload(seed) for seed in range(100, 160)))
    while not uploading.done():
        assert await world.look(repair=True, delete_orphans=True, older_than=3600.0) == []
    await uploading
    assert await world.sql.fetchval("SELECT count(*) FROM ingest.upload_dicomfile") == 60
    assert await world.sql.fetchval("SELECT count(*) FROM ingest.outbox") == 60


async def test_more_than_a_page(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every file and object is looked at once, wherever the pages end."""
    monkeypatch.setattr("services.operator.reconcile.reconciliation.PAGE", 3)
    lost = [await world.accept() for _ in range(7)]
    assert [f.subject for f in await world.look(repair=True)] == sorted(map(str, lost))
    run = Reconciliation(world.operator, world.storage, Options(), backlog=False)
    assert [finding async for finding in run.findings()] == []
    assert (run.tally.files, run.tally.objects, run.tally.young_objects) == (7, 7, 0)


async def test_objects_in_gridfs(world: World, mongodb_url: str) -> None:
    settings = OperatorSettings(data_dir=world.folder, storage_url=mongodb_url)
    async with contextlib.AsyncExitStack() as stack:
        world.storage = service_storage(settings)
        stack.push_async_callback(world.storage.close)
        kept, lost = [file_key(await world.accept_in(world.storage)) for _ in range(2)]
        await world.storage.delete(lost)
        await world.storage.put(file_key(new_file_id()), b"DICM", {}, durable=False)
        run = Reconciliation(world.operator, world.storage, Options(), backlog=False)
        assert [f async for f in run.findings()] == [Discrepancy("object-missing", lost)]
        assert (run.tally.files, run.tally.objects, run.tally.young_objects) == (2, 2, 1)
        assert await world.storage.exists(kept)


UPLOAD = """
import asyncio, sys
from pathlib import Path
from libs.common.arrivals import Arrivals
from libs.common.encryption.keyring import Keyring
from libs.common.database.postgres import Database
from libs.common.storage import FileStorage
from libs.dicom.parse.header import HeaderLimits
from services.ingest.intake import Intake, Limits, Sender
from services.ingest.metrics import IngestMetrics
from tests.builders import ct_instance
from tests.bus_support import make_telemetry
from tests.ingest_support import accepting_in

async def pieces():
    yield ct_instance(seed=99)

async def main(folder, url):
    storage = FileStorage(folder / "dicom_file", Keyring.load(folder / "keyring.json"))
    database = Database(url, size=1, timeout=60.0, application_name="upload")
    await database.open()
    limits = Limits(3_000_000, 1 << 30, frozenset(), HeaderLimits())
    telemetry = make_telemetry()
    metrics = IngestMetrics(telemetry.metrics.registry)
    accepting = accepting_in(database, telemetry, metrics=metrics)
    intake = Intake(
        storage, database, limits, telemetry, metrics, accepting, Arrivals(), concurrency=1, wake=lambda: None
    )
    await intake.receive(pieces(), "a.dcm", Sender(7, "user:7"))

asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
"""


@pytest.fixture
def silent_server() -> Iterator[str]:
    """URL of a PostgreSQL that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"postgresql://ingest@127.0.0.1:{listener.getsockname()[1]}/bddicomimage"


async def test_killed_between_object_and_row(world: World, silent_server: str) -> None:
    objects = world.folder / "dicom_file"
    await world.process(await world.accept())
    before = {path.name for path in objects.glob("[0-9a-f][0-9a-f]/*")}

    def kill_in_between() -> str:
        process = subprocess.Popen([sys.executable, "-c", UPLOAD, str(world.folder), silent_server], cwd=ROOT)
        try:
            (key,) = wait_until(lambda: {p.name for p in objects.glob("[0-9a-f][0-9a-f]/*")} - before)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait(60)
        return key

    key = await asyncio.to_thread(kill_in_between)
    # It may as well be an accepted file whose row was lost: nothing takes it for rubbish.
    world.make_old(key)
    assert await world.kinds(repair=True, delete_orphans=True) == {("row-missing", key)}
    (found,) = await world.look(rebuild_rows=True)
    assert found.repaired
    assert [event.file_id for event in await world.announced(UUID(key))] == [UUID(key)]
    assert await world.look() == []


Run = Callable[..., Awaitable[tuple[int, list[str]]]]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command: `await run(url, "--repair", amqp_url=…)` gives exit code and lines of output."""

    async def run(url: str, *arguments: str, **settings: Any) -> tuple[int, list[str]]:
        asked = command.parse(arguments)
        given = OperatorSettings(data_dir=tmp_path, **settings)
        capsys.readouterr()
        code = await asyncio.to_thread(command.run, asked, given, url)
        return code, "".join(capsys.readouterr()).splitlines()

    return run


async def declare_and_send(url: str, *bodies: bytes, to: str) -> aio_pika.abc.AbstractConnection:
    """Declare the topology and put messages into one queue."""
    connection = await aio_pika.connect(url)
    channel = await connection.channel()
    for queue in TOPOLOGY.queues():
        await channel.declare_queue(queue.name, durable=True, arguments=dict(queue.arguments))
    for body in bodies:
        await channel.default_exchange.publish(aio_pika.Message(body, delivery_mode=2), to)
    return connection


async def test_the_command_with_a_broker_whose_message_is_purged(
    world: World, run: Run, amqp_url: str
) -> None:
    """A file whose message waits is under way; once the message is purged, nobody works on it."""
    stalled = await world.accept()
    (data,) = await world.announced(stalled)
    await world.results.publish(new_event("/ingest", data))
    at_once = (world.url, "--older-than", "0s")
    async with await declare_and_send(amqp_url, b"{}", to=PROCESSOR_WORK.queue_of("0")) as connection:
        code, lines = await run(*at_once, "--json", amqp_url=SecretStr(amqp_url))
        summary = orjson.loads(lines[-1])
        assert (code, summary["waiting_messages"], summary["found"]) == (0, 1, {}), lines
        channel = await connection.channel()
        await (await channel.declare_queue(PROCESSOR_WORK.queue_of("0"), passive=True)).purge()
        await channel.default_exchange.publish(
            aio_pika.Message(b"nonsense", delivery_mode=2), dead_queue(PROCESSOR_WORK.name)
        )
        code, lines = await run(*at_once, "--repair", amqp_url=SecretStr(amqp_url))
    assert code == 1, lines
    words = [line.split() for line in lines]
    assert ["stalled", str(stalled), "[repaired]"] in words
    assert ["dead-letters", "processor.dead", "(1", "messages)"] in words
    assert len(await world.announced(stalled)) == 2


async def test_the_command_says_when_data_are_lost(world: World, run: Run) -> None:
    file_id = await world.process(await world.accept())
    world.path(str(file_id)).unlink()
    code, lines = await run(world.url)
    assert code == 2
    assert lines[-1].startswith("DATA ARE LOST")


async def test_only_one_at_a_time(world: World, run: Run) -> None:
    assert await reconcile_store.lock(world.sql)
    assert await run(world.url) == (
        command.NOT_DONE,
        ["Wait: another reconciliation of this database is running."],
    )


async def test_a_command_that_could_not_look_says_so(
    world: World, run: Run, role_url: Callable[[str], str], empty_database_url: str
) -> None:
    code, (line,) = await run(role_url("results"))
    assert code == command.NOT_DONE
    assert "more rights" in line
    code, (line,) = await run(empty_database_url)
    assert (code, line) == (
        command.NOT_DONE,
        "Run `python -m services migrate`: the database lacks tables.",
    )
    code, (line,) = await run(world.url, amqp_url=SecretStr("amqp://guest:guest@127.0.0.1:1/"))
    assert code == command.NOT_DONE
    assert line.startswith("Start RabbitMQ at 127.0.0.1:1")
    await world.accept()
    (world.folder / "dicom_file").rename(world.folder / "unmounted")
    code, lines = await run(world.url)
    assert code == command.NOT_DONE
    assert "The object store is not there" in lines[-1]


def test_a_wrong_argument_is_not_taken_for_a_loss(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        command.reconcile(["--older-than", "soon"])
    assert ended.value.code == command.NOT_DONE
    assert "'soon' is no time; write 90s, 30m, 2h or 1d" in capsys.readouterr().err
