"""Dead letters in a real broker and a real outbox: looked at, sent again, dropped, never lost."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aio_pika
import orjson
import pytest
from aio_pika.abc import AbstractChannel
from pydantic import SecretStr

from libs.common.bus.dead_letters import DeadLetter, Fate, Selection, Walked
from libs.common.bus.rabbitmq.connection import declare
from libs.common.bus.rabbitmq.dead_letters import RENEWED_AT, BrokerLetters
from libs.common.bus.topology import RESULTS_FILES, TOPOLOGY, dead_queue
from libs.common.database.postgres import Database
from libs.common.errors import Unavailable
from libs.common.outbox.dead_letters import PAGE, OutboxLetters
from libs.common.outbox.store import OutboxStore, enqueue
from tests.bus_support import received
from tests.commands import run_command
from tests.contract.bus_carriers import messages_in
from tests.fixtures_postgres import OpenDatabase
from tests.results_support import STAFF, bearer, running_results

QUEUE = RESULTS_FILES.queue
DEAD = dead_queue(QUEUE)
EARLIER = '[{"worker": "w\\u00071", "attempt": 1, "odd": {}}]'
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
async def channel(amqp_url: str) -> AsyncIterator[AbstractChannel]:
    """A channel beside the declared queues of the topology."""
    async with await aio_pika.connect(amqp_url) as connection, connection.channel() as channel:
        await declare(channel, TOPOLOGY)
        yield channel


@pytest.fixture
def letters(amqp_url: str) -> BrokerLetters:
    """What is tested."""
    return BrokerLetters(amqp_url, timeout=10.0, ca_file=None)


async def put(channel: AbstractChannel, body: bytes, **headers: Any) -> None:
    """A message in the dead queue of results.files."""
    given = {"x-attempt": 3, "x-queue": QUEUE, "x-reason": "unreadable", "traceparent": TRACE, **headers}
    message = aio_pika.Message(body, headers=given, delivery_mode=2, message_id=body[:8].decode(), type="t")
    await channel.default_exchange.publish(message, DEAD)


async def settle(
    place: BrokerLetters | OutboxLetters, selection: Selection | None, fate: Fate, limit: int = 10_000
) -> tuple[list[DeadLetter], Walked]:
    """Those that `selection` takes (None: none) get `fate`; all letters in their order, and what was done."""
    seen: list[DeadLetter] = []
    walked = Walked()

    def judge(letter: DeadLetter) -> Fate:
        seen.append(letter)
        return fate if selection is not None and selection.takes(letter) else "keep"

    await place.walk(judge, limit, walked)
    assert walked.seen == len(seen)
    return seen, walked


async def test_looking_changes_nothing_however_often(
    channel: AbstractChannel, letters: BrokerLetters, amqp_url: str
) -> None:
    event = received()
    await put(channel, event.to_json())
    await put(channel, b"second", **{"x-queue": "no.such", "secret": "Doe^Jane", "x-secret": "Doe^Jane"})
    first, _ = await settle(letters, None, "keep")
    one, two = first
    assert (one.queue, one.reason, one.attempts) == (QUEUE, "unreadable", 3)
    assert one.event is not None
    assert one.event.file_id == str(event.file_id)
    assert one.trace_id == TRACE.split("-")[1]
    assert (two.queue, two.event, two.size_bytes) == (QUEUE, None, 6)
    assert "Doe" not in two.model_dump_json()
    # Well beyond the deliveries after which RabbitMQ 4 drops a message: renewed, it keeps what it says.
    for _ in range(2 * RENEWED_AT + 3):
        again, _ = await settle(letters, None, "keep")
        assert {letter.id for letter in again} == {one.id, two.id}
        assert {letter.reason for letter in again} == {"unreadable"}
    counts = [int(m.headers.get("x-delivery-count", 0)) for m in await messages_in(amqp_url, DEAD)]  # type: ignore[arg-type]
    assert len(counts) == 2
    assert max(counts) <= RENEWED_AT + 1


async def test_a_replayed_letter_begins_anew_where_it_was_given_up(
    channel: AbstractChannel, letters: BrokerLetters, amqp_url: str
) -> None:
    for number in range(5):
        await put(
            channel,
            f"{number}".encode(),
            **{"x-reason": f"reason {number}", "lane": "3", "x-earlier": EARLIER},
        )
    seen, walked = await settle(letters, Selection(reason="reason 2"), "replay")
    assert seen[0].earlier == [{"worker": "w?1", "attempt": 1}]
    assert (walked.seen, walked.replayed, walked.dropped, walked.more) == (5, 1, 0, False)
    (again,) = await messages_in(amqp_url, QUEUE)
    assert again.body == b"2"
    assert again.headers == {"traceparent": TRACE, "lane": "3", "x-earlier": EARLIER, "x-delivery-count": 0}
    assert (again.message_id, again.type, again.delivery_mode) == ("2", "t", 2)
    left = [message.body for message in await messages_in(amqp_url, DEAD)]
    assert left == [b"0", b"1", b"3", b"4"]


async def test_drop_takes_what_is_meant_and_a_limit_is_told(
    channel: AbstractChannel, letters: BrokerLetters, amqp_url: str
) -> None:
    for number in range(4):
        await put(channel, f"{number}".encode())
    seen, _ = await settle(letters, None, "keep")
    chosen = Selection(ids=(seen[1].id, seen[3].id))
    _, walked = await settle(letters, chosen, "drop", limit=3)
    assert (walked.seen, walked.dropped, walked.more) == (3, 1, True)
    assert {message.body for message in await messages_in(amqp_url, DEAD)} == {b"0", b"2", b"3"}
    assert await messages_in(amqp_url, QUEUE) == []


async def test_what_nobody_takes_stays(
    channel: AbstractChannel, letters: BrokerLetters, amqp_url: str
) -> None:
    await put(channel, b"0")
    await put(channel, b"1")
    await channel.queue_delete(QUEUE)
    with pytest.raises(Unavailable, match=QUEUE):
        await settle(letters, Selection(), "replay")
    assert [message.body for message in await messages_in(amqp_url, DEAD)] == [b"0", b"1"]


async def test_a_broker_without_the_queues_has_no_letters(letters: BrokerLetters) -> None:
    assert await settle(letters, Selection(), "replay") == ([], Walked())


async def given_up(database: Database, count: int, reason: str = "nobody") -> None:
    """Rows that the outbox gave up."""
    async with database.transaction() as connection:
        for _ in range(count):
            await enqueue(connection, "ingest", received(TRACE))
        await connection.execute(
            "UPDATE ingest.outbox SET dead_at = now(), dead_subscription = $1, dead_reason = $2, "
            "attempts = 4 WHERE dead_at IS NULL",
            QUEUE,
            reason,
        )


async def test_rows_that_an_outbox_gave_up(open_database: OpenDatabase) -> None:
    database = await open_database("ingest")
    await given_up(database, PAGE + 2)
    await given_up(database, 2, "another reason")
    outbox = OutboxLetters(database, "ingest")
    seen, walked = await settle(outbox, None, "keep", limit=PAGE + 3)
    assert (walked.seen, walked.more) == (PAGE + 3, True)
    assert (seen[0].place, seen[0].queue, seen[0].attempts) == ("ingest.outbox", QUEUE, 4)
    assert seen[0].trace_id == TRACE.split("-")[1]
    seen, walked = await settle(outbox, Selection(reason="ANOTHER"), "replay")
    assert (walked.seen, walked.replayed) == (PAGE + 4, 2)
    _, walked = await settle(outbox, Selection(ids=(seen[0].id,)), "drop")
    assert (walked.dropped, walked.more) == (1, False)
    async with database.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM ingest.outbox WHERE dead_at IS NULL") == 2
        assert await connection.fetchval("SELECT count(*) FROM ingest.outbox") == PAGE + 3
        assert await connection.fetchval("SELECT max(attempts) FROM ingest.outbox WHERE dead_at IS NULL") == 0


async def test_the_command_shows_replays_and_drops_in_every_place(
    channel: AbstractChannel, amqp_url: str, database_url: str, open_database: OpenDatabase
) -> None:
    await given_up(await open_database("ingest"), 1)
    for number in range(3):
        await put(channel, f"{number}".encode(), **{"x-reason": f"reason {number}"})
    servers = {"AMQP_URL": amqp_url, "DATABASE_ADMIN_URL": database_url}

    def dead(*arguments: str, stdin: str = "", code: int = 0) -> list[str]:
        done = run_command("services", "dead", *arguments, env=servers, given=stdin)
        assert done.returncode == code, done.stderr
        return done.stdout.splitlines()

    *found, summary = map(orjson.loads, dead("list", "--json"))
    assert summary == {"summary": True, "seen": 4, "matching": 4, "replayed": 0, "dropped": 0}
    assert [letter["place"] for letter in found] == [DEAD] * 3 + ["ingest.outbox"]
    assert any("reason 1" in line for line in dead("show", found[1]["id"]))
    assert dead("replay", "--where", "place=ingest.outbox")[-1] == "1 replayed, 0 dropped."
    assert len(dead("drop", "--queue", QUEUE, stdin="n\n", code=2)) == 3
    assert dead("drop", found[0]["id"], stdin="y\n")[-1] == "0 replayed, 1 dropped."
    assert dead("replay", code=2) == []
    assert dead("replay", "--where", "colour=red", code=2) == []
    assert dead("replay", "--all")[-1] == "2 replayed, 0 dropped."
    assert dead("drop", "--all", "--yes", code=1)[-1] == "0 of 0 dead letters."
    assert [message.body for message in await messages_in(amqp_url, QUEUE)] == [b"1", b"2"]


async def test_the_api_shows_replays_and_drops(
    channel: AbstractChannel, amqp_url: str, role_url: Callable[[str], str], tmp_path: Path
) -> None:
    for number in range(3):
        await put(channel, f"{number}".encode(), **{"x-reason": f"reason {number}"})
    operator = bearer(STAFF, permissions=["view_deadletter", "replay_deadletter", "delete_deadletter"])
    async with running_results(role_url("results"), tmp_path, amqp_url=SecretStr(amqp_url)) as results:

        async def ask(method: str, path: str, status: int = 200, **sent: Any) -> Any:
            url = f"/api/processing/dead{path}"
            async with results.client.request(method, url, headers=operator, **sent) as answer:
                assert answer.status == status, await answer.text()
                return await answer.json(content_type=None)

        page = await ask("GET", "", params={"queue": QUEUE, "limit": "2"})
        assert ([letter["reason"] for letter in page["letters"]], page["seen"], page["more"]) == (
            ["reason 0", "reason 1"],
            3,
            True,
        )
        first, second = page["letters"]
        assert await ask("GET", f"/{second['id']}") == second
        await ask("GET", "/unknown", status=404)
        await ask("POST", "/replay", status=400, json={})
        await ask("POST", "/drop", status=400, json={"colour": "red"})
        replayed = await ask("POST", "/replay", json={"ids": [second["id"]]})
        assert replayed == {"seen": 3, "replayed": 1, "dropped": 0, "more": False}
        dropped = await ask("POST", "/drop", json={"all": True})
        assert dropped == {"seen": 2, "replayed": 0, "dropped": 2, "more": False}
        assert [message.body for message in await messages_in(amqp_url, QUEUE)] == [b"1"]
        async with results.client.get("/metrics") as answer:
            metrics = await answer.text()
        assert 'results_dead_letters_total{fate="dropped"} 2.0' in metrics
        await channel.queue_delete(QUEUE)
        await put(channel, b"3")
        await ask("POST", "/replay", status=503, json={"all": True})
    assert first["event"] is None


async def test_a_row_that_waits_again_is_not_dropped(open_database: OpenDatabase) -> None:
    """Somebody else has replayed it meanwhile."""
    database = await open_database("ingest")
    await given_up(database, 2)
    store = OutboxStore("ingest")
    async with database.connection() as connection:
        first, second = await store.dead_letters(connection, 0, 10)
        assert await store.replay_some(connection, [first["id"]]) == 1
        assert await store.drop_dead(connection, [first["id"], second["id"]]) == 1
        assert await store.replay_some(connection, [first["id"], second["id"]]) == 0
        assert await connection.fetchval("SELECT id FROM ingest.outbox") == first["id"]
