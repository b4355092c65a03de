"""Waiting for a condition, instead of sleeping and hoping."""

from __future__ import annotations

import asyncio
import inspect
import os
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

T = TypeVar("T")
INTERVAL = 0.02
PATIENCE = float(os.environ.get("TEST_PATIENCE", "60"))
"""Seconds after which a test gives up: long, so that how busy a machine is decides nothing."""


@overload
async def eventually(predicate: Callable[[], Awaitable[T]], timeout: float = ...) -> T: ...
@overload
async def eventually(predicate: Callable[[], T], timeout: float = ...) -> T: ...
async def eventually(predicate: Callable[[], Any], timeout: float = PATIENCE) -> Any:
    """Call `predicate` until its (awaited) value is true, and return that. AssertionError after `timeout` s.

    Its own AssertionErrors count as "not yet"; the last one is the cause of the final one.
    """
    deadline = time.monotonic() + timeout
    while True:
        value, cause = None, None
        try:
            value = predicate()
            if inspect.isawaitable(value):
                value = await value
        except AssertionError as error:
            cause = error
        if value and cause is None:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout:g} s; the last value was {value!r}") from cause
        await asyncio.sleep(INTERVAL)


def wait_until(predicate: Callable[[], T], timeout: float = PATIENCE) -> T:
    """`eventually` for tests without an event loop."""
    deadline = time.monotonic() + timeout
    while not (value := predicate()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout:g} s; the last value was {value!r}")
        time.sleep(INTERVAL)
    return value
