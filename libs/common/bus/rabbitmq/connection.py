"""One AMQP connection that comes back by itself, with the whole topology declared before anybody uses it.

Supervised here rather than by `aio_pika.connect_robust`, which restores queues with the arguments of old
objects and consumers on channels whose deliveries are still being handled.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import aio_pika
from aio_pika.abc import AbstractChannel
from aio_pika.exceptions import AMQPError, ChannelNotFoundEntity, ChannelPreconditionFailed
from aiormq.exceptions import ChannelAccessRefused
from pamqp.common import FieldTable
from yarl import URL

from libs.common.backoff import backoff
from libs.common.bus.topology import Topology
from libs.common.errors import ConfigurationError, Unavailable
from libs.common.security.certificates import client_context

log = logging.getLogger(__name__)

HEARTBEAT = 20
"""Seconds; a peer that vanished without a word is noticed after about three of them."""

TLS_OPTIONS = ("cafile", "capath", "cadata", "certfile", "keyfile", "no_verify_ssl")
"""What the client library would read from the URL, and does not once it is given a context."""

CLOSE_TIMEOUT = 5.0
"""Seconds for the closing handshake; a broker that blocks publishers does not read it."""

# RuntimeError is what the client library raises for connections and channels that are already closed.
FAILURES = (AMQPError, OSError, RuntimeError, TimeoutError)


def amqp_url(url: str) -> URL:
    """Check the URL and set the heartbeat. Raises ConfigurationError, without the password-bearing URL."""
    parsed = URL(url)
    if parsed.scheme not in ("amqp", "amqps") or not parsed.host:
        raise ConfigurationError(
            "AMQP_URL must have the form amqp://user:password@host:5672/vhost, or amqps:// with TLS."
        )
    if own := [name for name in TLS_OPTIONS if name in parsed.query]:
        raise ConfigurationError(
            f"Remove {', '.join(own)} from AMQP_URL: the broker is always verified, with TLS_CA_FILE."
        )
    return parsed.update_query({"heartbeat": str(HEARTBEAT), **parsed.query})


def amqp_context(url: URL, ca_file: Path | None) -> ssl.SSLContext | None:
    """How to verify the broker of an amqps:// URL; None for amqp://. Raises OSError."""
    return client_context(ca_file) if url.scheme == "amqps" else None


@contextmanager
def as_unavailable(what: str) -> Iterator[None]:
    """Turn failures of the connection, spurious cancellations included, into Unavailable.

    The client library ends waiting calls of a lost connection with CancelledError, which must not pass for a
    cancellation of the task that waits.
    """
    task = asyncio.current_task()
    cancelling = task.cancelling() if task else 0
    try:
        yield
    except FAILURES as error:
        raise Unavailable(f"RabbitMQ {what}: {reason_of(error)}.") from error
    except asyncio.CancelledError as error:
        if task is None or task.cancelling() > cancelling:
            raise
        raise Unavailable(f"RabbitMQ {what}: the connection was lost.") from error


def reason_of(error: BaseException) -> str:
    """One line, without the URL."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    # The client library wraps what the connection raised.
    for found in (error, error.__cause__):
        if isinstance(found, ssl.SSLCertVerificationError):
            return f"its certificate is refused, {found.verify_message.rstrip('.')}"
    return str(error).rstrip(".") or type(error).__name__


class Connection:
    """Keeps one connection open for as long as `run` runs."""

    def __init__(
        self, url: str, name: str, topology: Topology, *, timeout: float, ca_file: Path | None
    ) -> None:
        """`name` is shown by the broker; `timeout` in seconds bounds each step of connecting.

        `ca_file` (None: the system's CAs) verifies the broker of an amqps:// URL.
        """
        self._url = amqp_url(url)
        self._ca_file = ca_file
        self._name = name
        self._topology = topology
        self.timeout = timeout
        self._connection: aio_pika.Connection | None = None
        self._up = asyncio.Event()
        self._declares = True
        self._problem = "not connected yet"

    async def run(self) -> None:
        """Connect, declare the topology, wait until the connection is lost, and again, until cancelled."""
        failures = 0
        while True:
            try:
                async with self._new() as connection:
                    await self._open(connection)
                    failures = 0
                    await self._lost(connection)
                    self._problem = "the connection was lost"
            except Unavailable as error:
                failures += 1
                self._problem = error.detail
            delay = backoff(failures or 1)
            log.warning("%s: %s; trying again in %.1f s", self._name, self._problem, delay)
            await asyncio.sleep(delay)

    async def opened(self) -> aio_pika.Connection:
        """Wait until the connection is open, its topology declared, and the broker takes publishes."""
        while True:
            await self._up.wait()
            connection = self._connection
            if connection is not None and connection.transport is not None:
                await connection.transport.ready()
                return connection

    async def ready(self) -> None:
        """Raise Unavailable, saying why, unless the connection could be used right now."""
        if not self._up.is_set():
            raise Unavailable(f"RabbitMQ is not available ({self._problem}).")
        try:
            async with asyncio.timeout(1.0):
                await self.opened()
        except TimeoutError as error:
            raise Unavailable("RabbitMQ blocks publishers (memory or disk alarm).") from error

    @asynccontextmanager
    async def channel(self, connection: aio_pika.Connection) -> AsyncIterator[AbstractChannel]:
        """A short-lived channel for one question or declaration. Raises Unavailable."""
        with as_unavailable("does not answer"):
            async with asyncio.timeout(self.timeout):
                async with connection.channel(publisher_confirms=False) as channel:
                    yield channel

    async def declare(self, connection: aio_pika.Connection) -> None:
        """Declare the whole table, which changes nothing where it exists. Raises Unavailable.

        Whose account may declare nothing sees that everything is there: `migrate` declared it. What keeps
        states may come later than the rest, and holds nobody up: after a broker was killed, a stream can be
        away for minutes.
        """
        states = {queue.name for queue in self._topology.queues() if queue.role == "state"}
        await self._declare(connection, lambda name: name not in states)
        try:
            await self._declare(connection, lambda name: name in states)
        except Unavailable as error:
            if not _is_away(error):
                raise
            log.warning("%s: goes on without what keeps states: %s", self._name, error.detail)

    async def _declare(self, connection: aio_pika.Connection, wanted: Callable[[str], bool]) -> None:
        if self._declares:
            try:
                async with self.channel(connection) as channel:
                    await declare(channel, self._topology, wanted)
            except Unavailable as error:
                if isinstance(error.__cause__, ChannelPreconditionFailed):
                    raise Unavailable(
                        f"A queue exists with other arguments; remove it once it is empty. {error.detail}"
                    ) from error
                if not isinstance(error.__cause__, ChannelAccessRefused):
                    raise
                self._declares = False
            else:
                return
        try:
            async with self.channel(connection) as channel:
                await see(channel, self._topology, wanted)
        except Unavailable as error:
            if isinstance(error.__cause__, ChannelNotFoundEntity) and not _is_away(error):
                raise Unavailable(
                    f"Run `python -m services migrate`: this account declares nothing. {error.detail}"
                ) from error
            raise

    @asynccontextmanager
    async def _new(self) -> AsyncIterator[aio_pika.Connection]:
        """A connection that trusts the CAs of this moment, closed at the end. Raises Unavailable."""
        with as_unavailable("cannot be reached"):
            context = amqp_context(self._url, self._ca_file)
        connection = aio_pika.Connection(
            self._url, client_properties={"connection_name": self._name}, ssl_context=context
        )
        try:
            yield connection
        finally:
            self._up.clear()
            self._connection = None
            await close_connection(connection)

    async def _open(self, connection: aio_pika.Connection) -> None:
        with as_unavailable("cannot be reached"):
            async with asyncio.timeout(self.timeout):
                await connection.connect()
        await self.declare(connection)
        if connection.transport is not None:
            # At once: whoever wants to use the connection waits for the next, instead of failing in a loop.
            connection.transport.connection.closing.add_done_callback(lambda _: self._up.clear())
        self._connection = connection
        self._up.set()
        log.info("%s: connected", self._name)

    @staticmethod
    async def _lost(connection: aio_pika.Connection) -> None:
        transport = connection.transport
        if transport is not None:
            await asyncio.wait([transport.connection.closing])


def _is_away(error: Unavailable) -> bool:
    """Whether a queue is there and cannot be reached just now; the broker tells it in words only."""
    return isinstance(error.__cause__, ChannelNotFoundEntity) and "home node" in str(error.__cause__)


async def declare(
    channel: AbstractChannel, topology: Topology, wanted: Callable[[str], bool] = lambda _: True
) -> None:
    """Declare exchanges, and of the queues those `wanted` with their bindings. Raises aio_pika's errors."""
    for exchange in topology.exchanges():
        more: FieldTable = {} if exchange.alternate is None else {"alternate-exchange": exchange.alternate}
        await channel.declare_exchange(
            exchange.name, aio_pika.ExchangeType(exchange.type), durable=True, arguments=more
        )
    queues = topology.queues()
    unwanted = {queue.name for queue in queues if not wanted(queue.name)}
    for queue in queues:
        if queue.name not in unwanted:
            await channel.declare_queue(queue.name, durable=True, arguments=dict(queue.arguments))
    driver = await channel.get_underlay_channel()
    for binding in topology.bindings():
        if binding.target in unwanted:
            continue
        arguments: FieldTable = {} if binding.headers is None else {"x-match": "all", **binding.headers}
        bind = driver.exchange_bind if binding.to_exchange else driver.queue_bind
        await bind(binding.target, binding.source, binding.key, arguments=arguments)


async def see(channel: AbstractChannel, topology: Topology, wanted: Callable[[str], bool]) -> None:
    """See that exchanges and the queues `wanted` are there, which needs no right. Raises aio_pika's errors.

    Bindings cannot be asked for: whoever declares the table makes them.
    """
    for exchange in topology.exchanges():
        await channel.declare_exchange(exchange.name, passive=True)
    for queue in topology.queues():
        if wanted(queue.name):
            await channel.declare_queue(queue.name, passive=True)


@asynccontextmanager
async def dialled(
    url: URL, *, timeout: float, ca_file: Path | None, name: str
) -> AsyncIterator[aio_pika.Connection]:
    """A connection for one look, closed at the end; `name` is what the broker shows. Raises Unavailable."""
    with as_unavailable("cannot be reached"):
        context = amqp_context(url, ca_file)
        connection = aio_pika.Connection(
            url, client_properties={"connection_name": name}, ssl_context=context
        )
        async with asyncio.timeout(timeout):
            await connection.connect()
    try:
        yield connection
    finally:
        await close_connection(connection)


async def close_connection(connection: aio_pika.Connection) -> None:
    """The closing handshake, as far as it goes in CLOSE_TIMEOUT."""
    try:
        async with asyncio.timeout(CLOSE_TIMEOUT):
            await connection.close()
    except FAILURES as error:
        log.warning("closing a connection: %s", reason_of(error))
