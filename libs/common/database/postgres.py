"""PostgreSQL connections: a pool with bounded waits whose failures are `Unavailable`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeAlias

import asyncpg
import orjson
from asyncpg.pool import PoolConnectionProxy

from libs.common.errors import ConfigurationError, Unavailable
from libs.common.telemetry.metrics import Metrics

if TYPE_CHECKING:
    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]
else:
    Connection: TypeAlias = asyncpg.Connection | PoolConnectionProxy

CLOSE_TIMEOUT = 5.0
"""Seconds that `Database.close` waits for connections still in use before it cuts them."""

# What the same statement may survive when it is sent again: lost connections, a server that stops, starts,
# is full or is a standby, statements that were cancelled, and transactions that lost against another one.
_TRANSIENT = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.TransactionRollbackError,
    asyncpg.LockNotAvailableError,
    asyncpg.ReadOnlySQLTransactionError,
    ConnectionError,
    TimeoutError,
)

# While connecting, whatever goes wrong (no server, no such database, wrong password) can be mended outside.
CONNECT_ERRORS = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError)
"""What `asyncpg.connect` raises when the server, the network or the URL is at fault."""


def require_url(url: str) -> None:
    """Refuse what no server can mend. Raises ConfigurationError, without the URL: it may hold a password."""
    if not url.startswith(("postgresql://", "postgres://")):
        raise ConfigurationError(
            "DATABASE_URL, and what else names a database, must have the form "
            "postgresql://user:password@host:5432/bddicomimage."
        )


class Database:
    """A lazily filled connection pool; `open` needs no server, so services start in any order."""

    def __init__(
        self,
        url: str,
        *,
        role: str | None = None,
        size: int,
        timeout: float,
        application_name: str,
        metrics: Metrics | None = None,
    ) -> None:
        """`size` connections at most; `timeout` in seconds bounds waiting for one, and each statement.

        `role` is assumed right after login, for a pool that logs in as somebody else. `metrics` show the pool
        as `application_name`.
        Raises ConfigurationError for anything but a postgresql:// URL.
        """
        require_url(url)
        self._size = size
        self._timeout = timeout
        settings = {"application_name": application_name}
        if role is not None:
            settings["role"] = role
        self._connect_arguments: dict[str, Any] = {
            "dsn": url,
            "timeout": timeout,
            "command_timeout": timeout,
            "server_settings": settings,
        }
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None
        self._acquire_seconds = None if metrics is None else metrics.watch_pool(application_name, self)

    @property
    def limit(self) -> int:
        """Most connections the pool may have."""
        return self._size

    @property
    def connections(self) -> int:
        """Open now."""
        return 0 if self._pool is None else self._pool.get_size()

    @property
    def idle(self) -> int:
        """Open, and lent to nobody."""
        return 0 if self._pool is None else self._pool.get_idle_size()

    async def open(self) -> None:
        """Make the pool, without connecting."""
        self._pool = await asyncpg.create_pool(
            min_size=0, max_size=self._size, init=_use_orjson, reset=_keep_session, **self._connect_arguments
        )

    async def close(self) -> None:
        """Close every connection; those still in use after CLOSE_TIMEOUT seconds are cut."""
        if self._pool is None:
            return
        pool, self._pool = self._pool, None
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT):
                await pool.close()
        except TimeoutError:
            pool.terminate()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Lend a connection, autocommitting. Raises Unavailable when none comes in time or it breaks.

        Session state (advisory locks, SET) outlives the loan: who makes it, undoes it.
        """
        pool = self._pool
        if pool is None:
            raise Unavailable("PostgreSQL is not available: the connection pool is closed.")
        started = time.perf_counter()
        try:
            with _while_connecting(self._timeout):
                connection = await pool.acquire(timeout=self._timeout)
        finally:
            if self._acquire_seconds is not None:
                self._acquire_seconds.observe(time.perf_counter() - started)
        try:
            with _while_using(connection):
                yield connection
        except BaseException:
            # What a broken connection's release raises must not take the place of this, least of all of a
            # cancellation: the task would go on.
            with suppress(Unavailable):
                await self._release(pool, connection)
            raise
        await self._release(pool, connection)

    async def _release(
        self, pool: asyncpg.Pool[asyncpg.Record], connection: PoolConnectionProxy[asyncpg.Record]
    ) -> None:
        """Give a connection back. Raises Unavailable."""
        with _while_using(connection):
            # Without a bound it waits for ever for a server that no longer answers a cancellation.
            await pool.release(connection, timeout=self._timeout)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """Lend a connection inside one transaction: committed on return, rolled back on an exception."""
        async with self.connection() as connection, connection.transaction():
            yield connection

    async def ready(self) -> None:
        """Ask the server for a sign of life. Raises Unavailable."""
        async with self.connection() as connection:
            await connection.execute("SELECT 1")

    @asynccontextmanager
    async def listen(self, channels: Mapping[str, asyncio.Event]) -> AsyncIterator[None]:
        """Set the event of a channel at every NOTIFY on it, and of all of them at every (re)connection.

        A notification is only a hint: it is lost while the connection is down, so poll as well.
        """
        listener = asyncio.create_task(self._listen(channels), name=f"listen {' '.join(channels)}")
        try:
            yield
        finally:
            listener.cancel()
            await asyncio.wait([listener])
            if not listener.cancelled():
                listener.result()

    async def _listen(self, channels: Mapping[str, asyncio.Event]) -> None:
        """Hold a connection of its own, and make a new one a second after it broke."""
        while True:
            try:
                connection = await asyncpg.connect(**self._connect_arguments)
            except CONNECT_ERRORS:
                await asyncio.sleep(1.0)
                continue
            try:
                await self._relay(connection, channels)
            except (*_TRANSIENT, asyncpg.InterfaceError, asyncpg.InternalClientError):
                await asyncio.sleep(1.0)
            finally:
                connection.terminate()

    async def _relay(
        self, connection: asyncpg.Connection[asyncpg.Record], channels: Mapping[str, asyncio.Event]
    ) -> None:
        """Set events at each notification until the connection ends or no longer answers."""
        ended = asyncio.Event()
        connection.add_termination_listener(lambda _: ended.set())
        for channel in channels:
            await connection.add_listener(channel, lambda *told: channels[told[2]].set())
        for woken in channels.values():
            woken.set()
        while not connection.is_closed():
            try:
                async with asyncio.timeout(30.0):
                    await ended.wait()
            except TimeoutError:
                # A peer that vanished without a word is noticed only by talking to it.
                await connection.execute("SELECT 1")


async def _use_orjson(connection: Connection) -> None:
    """Have json and jsonb travel as Python values; asyncpg knows both types without asking the server."""
    await connection.set_type_codec(
        "json", schema="pg_catalog", format="binary", encoder=orjson.dumps, decoder=orjson.loads
    )
    # The binary form of jsonb is its text after one version byte, which is 1.
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        format="binary",
        encoder=lambda value: b"\x01" + orjson.dumps(value),
        decoder=lambda data: orjson.loads(data[1:]),
    )


async def _keep_session(connection: Connection) -> None:
    """Replace asyncpg's reset, a round trip per loan; it rolls an open transaction back all the same."""


@contextmanager
def _while_connecting(timeout: float) -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise Unavailable(f"PostgreSQL is not available: no connection within {timeout:g} s.") from error
    except CONNECT_ERRORS as error:
        raise _unavailable(error) from error


@contextmanager
def _while_using(connection: Connection) -> Iterator[None]:
    try:
        yield
    except _TRANSIENT as error:
        raise _unavailable(error) from error
    except asyncpg.InternalClientError as error:
        # The server has said farewell to an idle connection and has not hung up yet: asyncpg is confused.
        connection.terminate()
        raise _unavailable(error) from error
    except asyncpg.InterfaceError as error:
        # A connection that broke between two statements; otherwise the caller's own mistake.
        if _is_gone(connection):
            raise _unavailable(error) from error
        raise


def _unavailable(error: BaseException) -> Unavailable:
    # Only the kind of error: its text may name hosts and users, and callers see this one.
    return Unavailable(f"PostgreSQL is not available ({type(error).__name__}).")


def _is_gone(connection: Connection) -> bool:
    try:
        return connection.is_closed()
    except asyncpg.InterfaceError:
        # The pool has already taken a broken connection back from its proxy.
        return True
