"""The dead queues of the topology, looked through by `basic.get` on a channel each.

What is kept goes back when the walk ends, behind what was not looked at. Up to 4.2 the broker counts that as
a delivery (from 4.3 on only where the walk was cut off), and RabbitMQ 4 drops what was delivered too often
unless a policy says otherwise, so a letter is renewed long before.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractExchange, AbstractIncomingMessage, AbstractQueue
from aio_pika.exceptions import ChannelNotFoundEntity, DeliveryError

from libs.common.bus.dead_letters import (
    REASON_LENGTH,
    DeadLetter,
    Judge,
    Walked,
    event_facts,
    letter_id,
    notes_of,
    shown,
    trace_of,
)
from libs.common.bus.rabbitmq.connection import amqp_url, as_unavailable, dialled
from libs.common.bus.rabbitmq.message import (
    ATTEMPT,
    DELIVERY_COUNT,
    EARLIER,
    LOST,
    QUEUE,
    REASON,
    RETRIES,
    TRACEPARENT,
    number_in,
)
from libs.common.bus.topology import LANE, TOPOLOGY, Topology
from libs.common.errors import Unavailable

log = logging.getLogger(__name__)

RENEWED_AT = 10
"""Deliveries after which a letter that is kept is replaced by a copy; RabbitMQ 4 drops it at the 20th."""
_COUNTED = ("x-death", "x-first-death-", "x-last-death-", "x-delivery-count", "x-acquired-count")
"""Headers that belong to the broker: copied along they would speak of another message."""
_HEADERS_SHOWN = 32
_SHOWN = frozenset({ATTEMPT, LOST, RETRIES, REASON, QUEUE, TRACEPARENT, LANE})
_SHOWN_OF_BROKER = ("x-first-death-", "x-last-death-")


class BrokerLetters:
    """Implements `DeadLetters` on a connection of its own for each walk."""

    def __init__(
        self, url: str, *, timeout: float, ca_file: Path | None, topology: Topology = TOPOLOGY
    ) -> None:
        """`timeout` in seconds bounds each step; `ca_file` is TLS_CA_FILE. Raises ConfigurationError."""
        self._url = amqp_url(url)
        self._timeout = timeout
        self._ca_file = ca_file
        self._topology = topology

    async def walk(self, judge: Judge, limit: int, walked: Walked) -> None:
        """Queue by queue, no further than was waiting at first: what comes back is not met again."""
        async with dialled(
            self._url, timeout=self._timeout, ca_file=self._ca_file, name="dead letters"
        ) as connection:
            for place, origins in self._topology.dead_queues().items():
                # A channel each: the broker closes it when the queue is missing.
                async with self._channel(connection) as taking, self._channel(connection) as giving:
                    copies = await giving.get_exchange(self._topology.copies, ensure=False)
                    desk = _Desk(place, origins, copies, self._timeout)
                    await self._walk_queue(desk, taking, judge, limit, walked)

    async def _walk_queue(
        self, desk: _Desk, taking: AbstractChannel, judge: Judge, limit: int, walked: Walked
    ) -> None:
        with as_unavailable("does not answer"):
            try:
                async with asyncio.timeout(self._timeout):
                    queue = await taking.declare_queue(desk.place, passive=True)
            except ChannelNotFoundEntity:
                return
            waiting = queue.declaration_result.message_count or 0
            for _ in range(waiting):
                if walked.seen >= limit:
                    walked.more = True
                    break
                async with asyncio.timeout(self._timeout):
                    message = await queue.get(fail=False)
                if message is None:
                    break
                await desk.settle(message, judge, walked)
            await self._put_back(taking, queue)

    async def _put_back(self, taking: AbstractChannel, queue: AbstractQueue) -> None:
        """Give back what is still held, before the channel closes: whoever asks next finds it."""
        async with asyncio.timeout(self._timeout):
            driver = await taking.get_underlay_channel()
            await driver.basic_nack(0, multiple=True, requeue=True, wait=True)
            await taking.declare_queue(queue.name, passive=True)

    @asynccontextmanager
    async def _channel(self, connection: aio_pika.Connection) -> AsyncIterator[AbstractChannel]:
        channel = connection.channel(publisher_confirms=True, on_return_raises=True)
        with as_unavailable("does not answer"):
            async with asyncio.timeout(self._timeout):
                await channel.initialize()
        try:
            yield channel
        finally:
            with as_unavailable("does not answer"):
                async with asyncio.timeout(self._timeout):
                    await channel.close()


class _Desk:
    """Does with each message of one queue what is decided; copies go out by a channel of their own."""

    def __init__(
        self, place: str, origins: tuple[str, ...], copies: AbstractExchange, timeout: float
    ) -> None:
        self.place = place
        self._origins = origins
        self._copies = copies
        self._timeout = timeout

    async def settle(self, message: AbstractIncomingMessage, judge: Judge, walked: Walked) -> None:
        letter = letter_of(message, self.place, self._origins)
        fate = judge(letter)
        match fate:
            case "keep":
                if number_in(message.headers, DELIVERY_COUNT) >= RENEWED_AT:
                    await self._copy(message, self.place, _renewed(message.headers, letter))
                    await message.ack()
            case "replay":
                await self._copy(message, letter.queue or self._origins[0], _afresh(message.headers))
                await message.ack()
                walked.replayed += 1
            case "drop":
                await message.ack()
                walked.dropped += 1
        walked.seen += 1

    async def _copy(
        self, message: AbstractIncomingMessage, queue: str, headers: Mapping[str, object]
    ) -> None:
        """Return once `queue` has stored a copy. Raises Unavailable; the letter then stays."""
        copy = aio_pika.Message(
            message.body,
            headers=dict(headers),  # type: ignore[arg-type]
            content_type=message.content_type,
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            message_id=message.message_id,
            type=message.type,
            timestamp=message.timestamp if queue == self.place else None,
        )
        try:
            await self._copies.publish(copy, queue, mandatory=True, timeout=self._timeout)
        except DeliveryError as error:
            raise Unavailable(f"RabbitMQ refused {queue}: it is missing, full or broken.") from error


def letter_of(message: AbstractIncomingMessage, place: str, origins: tuple[str, ...]) -> DeadLetter:
    """What is shown of a message of `place`, which keeps the dead letters of `origins`."""
    headers = message.headers
    queue = next((name for name in _givers(headers) if name in origins), origins[0])
    given_up, event = message.timestamp, event_facts(message.body)
    return DeadLetter(
        id=letter_id(place, message.message_id, message.body),
        place=place,
        queue=queue,
        reason=shown(_reason(headers), REASON_LENGTH),
        attempts=number_in(headers, ATTEMPT),
        given_up_at=given_up.astimezone(UTC) if isinstance(given_up, datetime) else None,
        size_bytes=len(message.body),
        message_id=None if message.message_id is None else shown(message.message_id),
        trace_id=trace_of(_text(headers, TRACEPARENT)) or (event.trace_id if event else None),
        headers=_shown_headers(headers),
        earlier=notes_of(_text(headers, EARLIER)),
        event=event,
    )


def _givers(headers: Mapping[str, object]) -> tuple[str, ...]:
    """Who gave the message up, by the consumer's word, else by the broker's."""
    named = (_text(headers, QUEUE), _text(headers, "x-first-death-queue"))
    return tuple(name for name in named if name is not None)


def _reason(headers: Mapping[str, object]) -> str:
    given = _text(headers, REASON)
    if given is not None:
        return given
    why = _text(headers, "x-first-death-reason")
    return "no reason noted" if why is None else f"RabbitMQ put it aside: {why}"


def _shown_headers(headers: Mapping[str, object]) -> dict[str, str | int]:
    """Names that this system or the broker gives a meaning; a stranger's may hold anything."""
    # How often letters were looked at says nothing of them; earlier attempts are shown apart.
    named = sorted(name for name in headers if name in _SHOWN or name.startswith(_SHOWN_OF_BROKER))
    found: dict[str, str | int] = {}
    for name in named[:_HEADERS_SHOWN]:
        value = headers[name]
        if isinstance(value, (str, int)):
            found[shown(name)] = shown(value) if isinstance(value, str) else value
    return found


def _afresh(headers: Mapping[str, object]) -> dict[str, object]:
    """Of a letter that begins anew: no attempts and no end, but word of what was tried."""
    return {name: value for name, value in headers.items() if not name.startswith("x-") or name == EARLIER}


def _renewed(headers: Mapping[str, object], letter: DeadLetter) -> dict[str, object]:
    """Of a letter that stays; what the broker alone said of its end is said by us from now on."""
    kept = {name: value for name, value in headers.items() if not name.startswith(_COUNTED)}
    return {**kept, QUEUE: letter.queue, REASON: letter.reason}


def _text(headers: Mapping[str, object], name: str) -> str | None:
    value = headers.get(name)
    return value if isinstance(value, str) and value else None
