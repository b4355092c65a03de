"""What waits where, and for how long: asked of a real broker, and in one process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import aio_pika
import pytest
from pydantic import SecretStr

from libs.common.bus.rabbitmq.looking import BrokerDepths
from libs.common.bus.topology import TOPOLOGY
from libs.common.errors import Unavailable
from libs.common.events import Run
from services.results.queues.looking import backlog
from services.results.queues.models import QueueList
from services.results.workers.store import Pace
from tests.bus_support import beat
from tests.results_support import Results, bearer, running_results
from tests.unit.services.results.events import processed

NOWHERE = "amqp://guest:guest@127.0.0.1:1/none"


async def asked(results: Results, status: int = 200) -> Any:
    """What an operator is answered."""
    headers = bearer(5, permissions=["view_queue"])
    async with results.client.get("/api/processing/queues", headers=headers) as response:
        assert response.status == status, await response.text()
        body = await response.json(content_type=None)
    if status == 200:
        QueueList.model_validate(body, strict=False, extra="forbid")
    return body


async def test_every_queue_of_the_broker_is_told(
    role_url: Callable[[str], str], tmp_path: Path, amqp_url: str
) -> None:
    async with await aio_pika.connect(amqp_url) as connection, connection.channel() as channel:
        for queue in TOPOLOGY.queues()[:-1]:
            await channel.declare_queue(queue.name, durable=True, arguments=dict(queue.arguments))
        for name in ("processor.lane.3", "processor.lane.3", "processor.large", "results.files.dead"):
            await channel.default_exchange.publish(aio_pika.Message(b"{}"), name)
        async with running_results(
            role_url("results"),
            tmp_path,
            amqp_url=SecretStr(amqp_url),
            grafana_url="https://grafana.example.org/d/x",
        ) as results:
            await results.publish(
                beat(slots=4),
                processed(run=Run(decode_seconds=3.0, measure_seconds=1.0)),
                processed(run=Run(decode_seconds=2.0)),
            )
            body = await asked(results)
    told = {queue.pop("name"): queue for queue in body["queues"]}
    assert list(told) == [queue.name for queue in TOPOLOGY.queues()]
    assert told["processor.lane.3"] == {"role": "main", "messages": 2, "consumers": 0}
    assert told["results.files.dead"] == {"role": "dead", "messages": 1, "consumers": 0}
    assert [queue["messages"] for queue in told.values()].count(None) == 1
    assert (body["slots"], body["seconds_per_file"]) == (4, 3.0)
    assert body["backlog_seconds"] == 3 * 3.0 / 4
    assert (body["ended_last_hour"], body["dashboards_url"]) == (2, "https://grafana.example.org/d/x")


async def test_a_broker_that_is_away_is_said(role_url: Callable[[str], str], tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        await BrokerDepths(NOWHERE, timeout=2.0, ca_file=None, topology=TOPOLOGY).look()
    async with running_results(role_url("results"), tmp_path, amqp_url=SecretStr(NOWHERE)) as results:
        assert (await asked(results, 503))["code"] == "unavailable"


async def test_in_one_process_files_stand_for_a_queue(role_url: Callable[[str], str], tmp_path: Path) -> None:
    async with running_results(role_url("results"), tmp_path) as results:
        assert (await asked(results))["backlog_seconds"] == 0
        file_ids = [await results.upload() for _ in range(3)]
        body = await asked(results)
        assert body["queues"] == [{"name": "processor.work", "role": "main", "messages": 3, "consumers": 0}]
        assert (body["backlog_seconds"], body["seconds_per_file"]) == (None, None)
        await results.publish(beat(), processed(file_ids[0], run=Run(decode_seconds=2.0)))
        body = await asked(results)
        assert body["waiting_files"] == body["queues"][0]["messages"] == 2
        assert body["queues"][0]["consumers"] == 1
        assert body["backlog_seconds"] == 2.0
        async with await results.get("/api/processing/queues") as response:
            assert response.status == 403


def test_a_backlog_is_only_told_where_it_is_known() -> None:
    assert backlog(10, Pace(1, 2, 0.5)) == 2.5
    assert backlog(0, Pace(0, 0, None)) == 0.0
    assert backlog(10, Pace(0, 0, 0.5)) is None
    assert backlog(10, Pace(1, 2, None)) is None
