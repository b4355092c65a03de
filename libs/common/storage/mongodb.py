"""How MongoDB is connected to, and its errors in words."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qs

from pymongo.errors import BulkWriteError, ConnectionFailure, OperationFailure, PyMongoError, WTimeoutError

from libs.common.errors import Unavailable

T = TypeVar("T")

_PATIENCE_MS = {
    "serverSelectionTimeoutMS": 5_000,
    "connectTimeoutMS": 5_000,
    "socketTimeoutMS": 30_000,
    "waitQueueTimeoutMS": 10_000,
}
"""A server that does not answer is an answer, too: 503, in a time that a caller still waits for."""

_PAUSES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.8, 1.2, 1.6, 2.0, 2.0, 2.0)
_WRITE_CONFLICT = 112
_FORBIDDEN = {13, 18, 8000}
_FULL = {14031}
_UNCONFIRMED = {64, 100}


def connection_options(url: str, ca_file: Path | None) -> dict[str, Any]:
    """Timeouts that the URL does not give, and the CAs if it asks for TLS."""
    scheme, _, rest = url.partition("://")
    given = {name.lower(): values[-1] for name, values in parse_qs(rest.partition("?")[2]).items()}
    options: dict[str, Any] = {name: ms for name, ms in _PATIENCE_MS.items() if name.lower() not in given}
    options["readPreference"] = "primary"  # others may lag behind what was just written
    tls = given.get("tls", given.get("ssl", str(scheme == "mongodb+srv")))
    if ca_file is not None and tls.lower() == "true" and "tlscafile" not in given:
        options["tlsCAFile"] = str(ca_file)
    return options


def fault_of(url: str, error: Exception) -> str:
    """What is wrong with a URL, in the driver's words unless those may quote the password."""
    # Unencoded, a / or ? of the password ends the host for the driver, which complains of what follows.
    _, *behind = re.split("[/?]", url.partition("://")[2], maxsplit=1)
    if any("@" in part for part in behind):
        return "special characters in a password must be percent-encoded"
    return str(error).rstrip(".")


async def unconflicted(write: Callable[[], Awaitable[T]]) -> T:
    """Repeat a write that was not applied because it met another one, for about ten seconds."""
    for pause in _PAUSES:
        try:
            return await write()
        except OperationFailure as error:
            if error.code != _WRITE_CONFLICT:
                raise
        await asyncio.sleep(pause)
    return await write()


def conflict_of(error: BulkWriteError) -> OperationFailure | None:
    """The conflict that stopped a bulk of writes, as one write would raise it; None: something else did."""
    if _codes(error) != {_WRITE_CONFLICT}:
        return None
    return OperationFailure(str(error), _WRITE_CONFLICT)


@contextmanager
def answering() -> Iterator[None]:
    """Turn what the driver raises into Unavailable, without addresses: callers see it."""
    try:
        yield
    except PyMongoError as error:
        raise Unavailable(_sentence(error)) from error


def _sentence(error: PyMongoError) -> str:
    codes = _codes(error)
    if codes & _FORBIDDEN:
        return "MongoDB refuses access: check user, password and the role readWrite of STORAGE_URL."
    if codes & _FULL:
        return "MongoDB's disk is full: free some space."
    if codes & _UNCONFIRMED or isinstance(error, WTimeoutError):
        return "MongoDB could not make it durable on most of its servers: check the replica set."
    if isinstance(error, ConnectionFailure):
        if "certificate verify failed" in str(error).lower():
            return "MongoDB's certificate does not verify: check TLS_CA_FILE and the host in STORAGE_URL."
        return "MongoDB does not answer: check that it runs and that STORAGE_URL names it."
    return f"MongoDB fails ({type(error).__name__}): look into its log."


def _codes(error: PyMongoError) -> set[int]:
    if isinstance(error, BulkWriteError):
        details = error.details
        told = [*details.get("writeErrors", ()), *details.get("writeConcernErrors", ())]
        return {one["code"] for one in told if "code" in one}
    return {error.code} if isinstance(error, OperationFailure) and error.code is not None else set()
