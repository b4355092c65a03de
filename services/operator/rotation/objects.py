"""Objects and the keys that they need: wrapping their data keys anew, and seeing which keys are named."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import aclosing
from dataclasses import dataclass, field
from time import monotonic

from libs.common.errors import ObjectCorrupt, ObjectNotFound, Unavailable
from libs.common.ids import ObjectKey
from libs.common.storage import Storage

AT_ONCE = 8
"""Objects that are worked on side by side: each waits for its disk twice."""
EXAMPLES = 10

Tell = Callable[[int], None]


@dataclass
class Found:
    """What a walk over all objects has met."""

    objects: int = 0
    changed: int = 0
    """How many were wrapped anew."""
    named: Counter[str] = field(default_factory=Counter)
    """Objects by each key that their headers name."""
    missing: Counter[str] = field(default_factory=Counter)
    """The same of keys that are not in the ring: nobody can read these objects."""
    damaged: list[ObjectKey] = field(default_factory=list)
    """Whose header cannot be read: no key opens them. The first few."""
    damaged_objects: int = 0


async def count(storage: Storage) -> int:
    """How many objects there are."""
    number = 0
    async with aclosing(storage.keys()) as keys:
        async for _ in keys:
            number += 1
    return number


async def rewrap_all(
    storage: Storage, known: Collection[str], tell: Tell, per_second: float | None = None
) -> Found:
    """Put every object under the current key; `known` are the keys of the ring. Raises Unavailable.

    What is under it already costs the reading of its header, so that a walk that was cut begins anew.
    """

    async def one(key: ObjectKey, found: Found) -> None:
        try:
            changed = await storage.rewrap(key)
        except Unavailable:
            lacking = await storage.named_keys(key) - frozenset(known)
            if not lacking:
                raise
            found.missing.update(lacking)
        else:
            found.changed += changed

    return await _walk(storage, one, tell, per_second)


async def names_of_all(storage: Storage, known: Collection[str], tell: Tell) -> Found:
    """Which keys the headers of all objects name; nothing is changed. Raises Unavailable."""

    async def one(key: ObjectKey, found: Found) -> None:
        named = await storage.named_keys(key)
        found.named.update(named)
        found.missing.update(named - frozenset(known))

    return await _walk(storage, one, tell, None)


async def _walk(
    storage: Storage,
    work: Callable[[ObjectKey, Found], Awaitable[None]],
    tell: Tell,
    per_second: float | None,
) -> Found:
    found, places = Found(), asyncio.Semaphore(AT_ONCE)

    async def one(key: ObjectKey) -> None:
        try:
            await work(key, found)
        except ObjectNotFound:
            pass  # erased meanwhile
        except ObjectCorrupt:
            found.damaged_objects += 1
            if len(found.damaged) < EXAMPLES:
                found.damaged.append(key)
        finally:
            places.release()
        found.objects += 1
        tell(found.objects)

    try:
        async with asyncio.TaskGroup() as tasks:
            async for key in _paced(storage, per_second):
                await places.acquire()
                tasks.create_task(one(key))
    except ExceptionGroup as failed:
        # Of several that met the same trouble one says enough.
        raise failed.exceptions[0] from None
    return found


async def _paced(storage: Storage, per_second: float | None) -> AsyncIterator[ObjectKey]:
    due = monotonic()
    async with aclosing(storage.keys()) as keys:
        async for stored in keys:
            yield stored.key
            if per_second is not None:
                due = max(due + 1 / per_second, monotonic() - 1.0)
                await asyncio.sleep(max(0.0, due - monotonic()))
