"""What waits for the processors and for us, looked at no more often than it changes for a reader."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from libs.common.bus.contract import Work
from libs.common.bus.inspection import Depth
from libs.common.bus.rabbitmq.looking import BrokerDepths
from libs.common.bus.topology import PROCESSOR_WORK, Topology
from libs.common.database.postgres import Database
from services.results.pauses.routes import states_of
from services.results.pauses.store import paused
from services.results.processing.waiting import read_waiting
from services.results.queues.models import QueueList, QueueRole, QueueState
from services.results.workers.store import Pace, count_ended, read_pace

HOUR_FRESH_SECONDS = 10.0
FRESH_SECONDS = 2.0
"""A look at the broker takes a round trip or two for each queue: whoever asks meanwhile gets the same."""


class _Seen(NamedTuple):
    depths: list[Depth]
    at: float


class QueueLook:
    """Looks at the broker, where there is one; use within one event loop."""

    def __init__(self, broker: BrokerDepths | None, work: Work, dashboards_url: str | None = None) -> None:
        """`broker` None: one process, in which files wait without queues; `work` has the lanes."""
        self._work = work
        self._dashboards_url = dashboards_url
        self._hour: tuple[int, float] | None = None
        self._broker = broker
        self._seen: _Seen | None = None
        self._turn = asyncio.Lock()

    async def __call__(self, database: Database) -> QueueList:
        """What waits now. Raises Unavailable."""
        async with database.connection() as connection:
            waiting, pace = await read_waiting(connection), await read_pace(connection)
            held = await paused(connection)
        if self._broker is None:
            here = Depth(PROCESSOR_WORK.queue, waiting.files, pace.workers)
            queues, work = [_state(here, "main")], waiting.files
        else:
            seen, topology = await self._depths(self._broker), self._broker.topology
            roles: dict[str, QueueRole] = {queue.name: queue.role for queue in topology.queues()}
            queues = [_state(depth, roles.get(depth.queue, "retired")) for depth in seen]
            work = messages_of_work(seen, topology)
        return QueueList(
            queues=queues,
            ended_last_hour=await self._ended(database),
            dashboards_url=self._dashboards_url,
            lanes=states_of(self._work, held),
            waiting_files=waiting.files,
            oldest_waiting_seconds=waiting.oldest_seconds,
            slots=pace.slots,
            seconds_per_file=pace.seconds_per_file,
            backlog_seconds=backlog(work, pace),
        )

    async def _ended(self, database: Database) -> int:
        """Files of the last hour: many rows, so that it is counted now and then."""
        now = asyncio.get_running_loop().time()
        if self._hour is None or now - self._hour[1] > HOUR_FRESH_SECONDS:
            async with database.connection() as connection:
                self._hour = await count_ended(connection, 3600.0), now
        return self._hour[0]

    async def _depths(self, broker: BrokerDepths) -> list[Depth]:
        async with self._turn:
            now = asyncio.get_running_loop().time()
            if self._seen is None or now - self._seen.at > FRESH_SECONDS:
                self._seen = _Seen(await broker.look(), asyncio.get_running_loop().time())
            return self._seen.depths


def messages_of_work(depths: Sequence[Depth], topology: Topology) -> int:
    """How many messages wait for the processors: in their lanes, and in the queue of the release before."""
    lanes = {queue for work in topology.works for queue in work.queues().values()}
    lanes |= {retired.queue for retired in topology.retired}
    return sum(depth.messages or 0 for depth in depths if depth.queue in lanes)


def backlog(messages: int, pace: Pace) -> float | None:
    """Seconds until `messages` are measured at this pace; None where nobody works or nothing is known."""
    if messages == 0:
        return 0.0
    if not pace.slots or pace.seconds_per_file is None:
        return None
    return messages * pace.seconds_per_file / pace.slots


def _state(depth: Depth, role: QueueRole) -> QueueState:
    return QueueState(name=depth.queue, role=role, messages=depth.messages, consumers=depth.consumers)
