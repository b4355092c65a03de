"""Checks before the start: what is wrong becomes one sentence that says what to do, without any password."""

from __future__ import annotations

import contextlib
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import parse_qs, unquote, urlsplit

import aio_pika
import asyncpg
from aio_pika.abc import AbstractConnection
from aio_pika.exceptions import AMQPError, AuthenticationError, ProbableAuthenticationError
from aiormq.exceptions import ProtocolSyntaxError

from libs.common.bus.rabbitmq.connection import amqp_context, amqp_url
from libs.common.errors import ConfigurationError

CONNECT_TIMEOUT = 5.0
"""Seconds a server gets to answer."""


@dataclass(frozen=True)
class Server:
    """What of a server's URL may be shown."""

    address: str
    user: str
    database: str

    @classmethod
    def of(cls, url: str) -> Self:
        """Raises ConfigurationError when `url` is none."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            # Without the cause: it may quote the password.
            raise ConfigurationError(
                "Correct the server's URL: special characters in a password must be percent-encoded."
            ) from None
        host = host or parse_qs(parts.query).get("host", ["localhost"])[0]
        user = unquote(parts.username or "")
        return cls(host if port is None else f"{host}:{port}", user, unquote(parts.path.lstrip("/")) or user)


@contextlib.contextmanager
def explaining_failures(server: Server, setting: str) -> Iterator[None]:
    """Turn what PostgreSQL or the network answer into a ConfigurationError that says what to do."""
    try:
        yield
    except asyncpg.InvalidCatalogNameError as error:
        raise ConfigurationError(
            f"Run `python -m services migrate`, or correct {setting}: "
            f"there is no database {server.database} at {server.address}."
        ) from error
    except asyncpg.InvalidAuthorizationSpecificationError as error:
        raise ConfigurationError(
            f"Correct {setting}: PostgreSQL at {server.address} does not let user {server.user} in "
            f"({type(error).__name__})."
        ) from error
    except asyncpg.InsufficientPrivilegeError as error:
        raise ConfigurationError(
            f"Give user {server.user} of {setting} more rights: it must be a superuser, or own database "
            f"{server.database} and have CREATEROLE ({str(error).splitlines()[0]})."
        ) from error
    except asyncpg.ClientConfigurationError as error:
        raise ConfigurationError(
            f"Correct {setting}: the form is postgresql://user:password@host:5432/bddicomimage."
        ) from error
    except (OSError, asyncpg.PostgresConnectionError, asyncpg.TooManyConnectionsError) as error:
        raise ConfigurationError(
            f"Start PostgreSQL at {server.address}, or correct {setting}: "
            f"it does not answer ({_reason(error)})."
        ) from error


async def check_roles(url: str, roles: tuple[str, ...]) -> None:
    """See that DATABASE_URL leads to a server and may act for the services. Raises ConfigurationError."""
    server = Server.of(url)
    with explaining_failures(server, "DATABASE_URL"):
        connection = await asyncpg.connect(url, timeout=CONNECT_TIMEOUT)
        try:
            for role in roles:
                await connection.execute(f'SET ROLE "{role}"')
                await connection.execute("RESET ROLE")
        except (asyncpg.InsufficientPrivilegeError, asyncpg.InvalidParameterValueError) as error:
            raise ConfigurationError(
                f"Let user {server.user} of DATABASE_URL act for the services "
                f'(GRANT "{role}" TO "{server.user}").'
            ) from error
        finally:
            await connection.close()


async def check_broker(url: str, ca_file: Path | None) -> None:
    """See that AMQP_URL leads to a broker that lets us in. Raises ConfigurationError."""
    async with broker(url, ca_file):
        pass


@contextlib.asynccontextmanager
async def broker(url: str, ca_file: Path | None) -> AsyncIterator[AbstractConnection]:
    """Lend a connection to the broker; `ca_file` as TLS_CA_FILE. Raises ConfigurationError."""
    server = Server.of(url)
    parsed = amqp_url(url)
    # It logs failures at length; the one sentence below says it all.
    chatter = logging.getLogger("aiormq.connection")
    level = chatter.level
    chatter.setLevel(logging.CRITICAL)
    try:
        context = amqp_context(parsed, ca_file)
        connection = await aio_pika.connect(url, timeout=CONNECT_TIMEOUT, ssl_context=context)
    except (AuthenticationError, ProbableAuthenticationError) as error:
        raise ConfigurationError(
            f"Correct AMQP_URL: RabbitMQ at {server.address} does not let user {server.user or 'guest'} in."
        ) from error
    except ProtocolSyntaxError as error:
        # What the client makes of a connection that the broker closes instead of opening.
        raise ConfigurationError(
            f"Correct AMQP_URL: RabbitMQ at {server.address} has no virtual host {server.database or '/'!r} "
            f"for user {server.user or 'guest'}."
        ) from error
    except (AMQPError, OSError, ValueError) as error:
        raise ConfigurationError(
            f"Start RabbitMQ at {server.address}, or correct or unset AMQP_URL: "
            f"no connection as user {server.user or 'guest'} ({_reason(error.__cause__ or error)})."
        ) from error
    finally:
        chatter.setLevel(level)
    async with connection:
        yield connection


def prepare_data_dir(path: Path) -> None:
    """Make DATA_DIR, for this user only, and see that it can be written. Raises ConfigurationError."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        probe = path / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise ConfigurationError(
            f"Make {path.absolute()} writable, or set DATA_DIR to another folder ({error.strerror})."
        ) from error


def _reason(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {CONNECT_TIMEOUT:g} s"
    if isinstance(error, socket.gaierror):
        return "unknown host name"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    return type(error).__name__
