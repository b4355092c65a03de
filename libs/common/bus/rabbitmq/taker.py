"""Taking work: a few deliveries of each lane are at hand, and an admission says which begins next."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, NamedTuple

from aiormq.abc import DeliveredMessage

from libs.common.bus.background import Background
from libs.common.bus.contract import Admission, Work
from libs.common.bus.handling import Handling
from libs.common.bus.rabbitmq.connection import Connection
from libs.common.bus.rabbitmq.consumer import delivery_of, readable
from libs.common.bus.rabbitmq.message import Incoming, incoming_of
from libs.common.bus.rabbitmq.session import BrokerSession
from libs.common.bus.rabbitmq.settling import Settler
from libs.common.bus.rabbitmq.subscribing import Subscribing
from libs.common.bus.retry import Ack, Dead
from libs.common.bus.waiting import NotBegun, WaitingRoom
from libs.common.errors import Unavailable

log = logging.getLogger(__name__)

BALANCE = 0.5
"""Seconds: each change costs the queue an entry in its log."""


class _AtHand(NamedTuple):
    session: BrokerSession
    incoming: Incoming
    since: float


class Taker:
    """Takes the deliveries of one work: all consumers on one channel, `ahead` deliveries of each lane."""

    def __init__(
        self,
        connection: Connection,
        settler: Settler,
        work: Work,
        handling: Handling,
        admission: Admission,
        background: Background,
        *,
        ahead: int,
        alone: Callable[[], int],
        watchdog: float,
        hold: float,
    ) -> None:
        """A lane that has work alone gets `alone()` deliveries instead of `ahead`; when it says less, what is
        beyond that, and has not begun, is handed back.

        `hold` in seconds: what has not begun by then is handed back, before the broker misses it.
        `watchdog` in seconds: how often an idle consumer makes sure that the broker still knows it.
        """
        self._settler = settler
        self._handling = handling
        self._background = background
        self._name = work.queue
        self._ahead = ahead
        self._alone = alone
        self._hold = hold
        self._lanes = {queue: lane for lane, queue in work.queues().items()}
        self._room = WaitingRoom[_AtHand](admission, self._begin, handling.waiting.set)
        self._running: set[asyncio.Task[None]] = set()
        self._left: list[_AtHand] = []
        """What came after the end and cannot be handed back yet."""
        self._ended = False
        self._returning = Counter[str]()
        """Of each queue, deliveries in hand that are on their way back."""
        self._subscribing = Subscribing(
            connection,
            self._name,
            tuple(self._lanes),
            self._deliver,
            prefetch=ahead,
            watchdog=watchdog,
            lost=self._forget,
        )

    def start(self, background: Background) -> list[asyncio.Task[None]]:
        """Start to consume in the background."""
        return [
            background.start(f"{self._name} consumer", self._subscribing.run()),
            background.start(f"{self._name} balance", self._balance()),
        ]

    @property
    def running(self) -> set[asyncio.Task[None]]:
        """What is under way."""
        return self._running

    @property
    def consuming(self) -> bool:
        """Whether the broker has the consumers of all lanes now."""
        return self._subscribing.consuming

    def close(self) -> None:
        """Begin no more."""
        self._room.close()

    async def drain(self) -> None:
        """Begin no more, hand back what was not begun, and wait for what was. Cancel to give up."""
        self._left += [waiting.item for waiting in self._room.close()]
        # Not before: what is handed back could come here again.
        self._ended = await self._subscribing.stop()
        left, self._left = self._left, []
        for at_hand in left:
            self._return(at_hand)
        while self._running:
            await asyncio.wait(self._running)

    def _deliver(self, session: BrokerSession, message: DeliveredMessage, queue: str) -> None:
        lane = self._lanes[queue]
        now = asyncio.get_running_loop().time()
        at_hand = _AtHand(session, incoming_of(message, queue, lane), now)
        if self._ended:
            self._return(at_hand)
            return
        if self._room.closed:
            self._left.append(at_hand)
            return
        event = readable(at_hand.incoming, self._handling)
        if isinstance(event, Ack | Dead):
            self._start(self._give_up(at_hand, event))
            return
        delivery = delivery_of(event, at_hand.incoming, self._handling)
        self._room.add(NotBegun(lane, delivery, at_hand))

    async def _balance(self) -> None:
        """See from time to time what waits for too long, and whether one lane alone has work."""
        while True:
            await asyncio.sleep(BALANCE)
            since = asyncio.get_running_loop().time() - self._hold
            for waiting in self._room.remove(partial(_older, since)):
                self._return(waiting.item)
            most = max(self._alone(), self._ahead)
            try:
                await self._subscribing.favour(most - self._ahead)
            except Unavailable as error:
                log.warning("%s: %s", self._name, error.detail)
            self._leave_to_others(most)

    def _leave_to_others(self, most: int) -> None:
        """Hand back what has not begun of a lane beyond `most` deliveries: those that came last."""
        session = self._subscribing.session
        if session is None or session.lost.is_set():
            return
        for queue, lane in self._lanes.items():
            if (beyond := session.in_flight[queue] - self._returning[queue] - most) > 0:
                for waiting in self._room.latest(lane, beyond):
                    self._return(waiting.item)

    def _begin(self, waiting: NotBegun[_AtHand]) -> None:
        self._start(self._run(waiting))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._background.start(f"{self._name} worker", work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _run(self, waiting: NotBegun[_AtHand]) -> None:
        session, incoming, _ = waiting.item
        try:
            # A lost session's deliveries come again.
            if not session.lost.is_set():
                decision = await self._handling.run(
                    waiting.delivery, traceparent=incoming.traceparent, tag=incoming.tag
                )
                await self._settler.settle(session, incoming, decision)
        finally:
            session.settle(incoming.queue)
            self._room.ended(waiting.lane, waiting.delivery)

    async def _give_up(self, at_hand: _AtHand, decision: Ack | Dead) -> None:
        session, incoming, _ = at_hand
        try:
            await self._settler.settle(session, incoming, decision)
        finally:
            session.settle(incoming.queue)

    def _return(self, at_hand: _AtHand) -> None:
        self._returning[at_hand.incoming.queue] += 1
        self._start(self._hand_back(at_hand))

    async def _hand_back(self, at_hand: _AtHand) -> None:
        session, incoming, _ = at_hand
        try:
            await self._settler.hand_back(session, incoming)
        finally:
            session.settle(incoming.queue)
            self._returning[incoming.queue] -= 1

    def _forget(self, session: BrokerSession) -> None:
        """What waits of a lost session comes again."""
        self._room.remove(lambda at_hand: at_hand.session is session)


def _older(since: float, at_hand: _AtHand) -> bool:
    return at_hand.since < since
