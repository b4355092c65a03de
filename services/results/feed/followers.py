"""Who follows the changes, where a change meets them, and what waits for each of them; no I/O."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from libs.common.access import Mode, Viewer
from services.results.feed.store import Change
from services.results.read.shared_store import SharedItem, items_of

MeetingPlace: TypeAlias = str | SharedItem | None
"""Where a change is met: in a collection, at something that is shared, or anywhere."""
HeldShares: TypeAlias = Mapping[str, Mapping[SharedItem, Mode]]
"""What is shared, by grantee."""


class SharesChanged(NamedTuple):
    """Something more, or something less, is shared with a follower."""

    given: int
    taken_back: int


class Inbox:
    """What waits for one stream, bounded: a reader that falls behind is cut, and resumes by cursor."""

    def __init__(self, limit: int) -> None:
        """`limit` is how many changes may wait."""
        self.overflowed = False
        self._limit = limit
        self._queue: deque[Change | SharesChanged] = deque()
        self._ended = False
        self._ready = asyncio.Event()

    def offer(self, change: Change | SharesChanged) -> None:
        """Queue a change; the one that is too many ends the inbox instead."""
        if self._ended:
            return
        if len(self._queue) >= self._limit:
            self.overflowed = True
            self.end()
            return
        self._queue.append(change)
        self._ready.set()

    @property
    def waiting(self) -> bool:
        """Whether changes are queued."""
        return bool(self._queue)

    def end(self) -> None:
        """Let the stream end after what is queued already."""
        self._ended = True
        self._ready.set()

    async def take(self) -> list[Change | SharesChanged] | None:
        """Wait for changes and take all that are queued; None at the end."""
        await self._ready.wait()
        taken = list(self._queue)
        self._queue.clear()
        if self._ended:
            return taken or None
        self._ready.clear()
        return taken


@dataclass
class Follower:
    """Who follows, and what is shared with them beyond what lies in their collections."""

    viewer: Viewer
    shared: Mapping[SharedItem, Mode] = field(default_factory=dict)

    @property
    def places(self) -> set[MeetingPlace]:
        """A viewer who sees all meets every change once."""
        if self.viewer.visible is None:
            return {None}
        return {*self.viewer.visible, *self.shared}


class Followers:
    """Every inbox with its follower, found by where a change happens."""

    def __init__(self) -> None:
        self._followers: dict[Inbox, Follower] = {}
        self._by_place: dict[MeetingPlace, set[Inbox]] = {}

    def __bool__(self) -> bool:
        return bool(self._followers)

    def __contains__(self, inbox: Inbox) -> bool:
        return inbox in self._followers

    def __iter__(self) -> Iterator[Inbox]:
        return iter(tuple(self._followers))

    def enter(self, inbox: Inbox, follower: Follower) -> None:
        """From now on changes meet `follower`."""
        self._followers[inbox] = follower
        for place in follower.places:
            self._by_place.setdefault(place, set()).add(inbox)

    def leave(self, inbox: Inbox) -> None:
        """Forget an inbox; one that left already is no mistake."""
        follower = self._followers.pop(inbox, None)
        for place in () if follower is None else follower.places:
            inboxes = self._by_place[place]
            inboxes.discard(inbox)
            if not inboxes:
                del self._by_place[place]

    def meeting(self, change: Change) -> set[Inbox]:
        """Those whom a change meets, each once."""
        items = items_of(
            change.collection, change.file_id, change.study_instance_uid, change.series_instance_uid
        )
        found: set[Inbox] = set()
        for place in (None, change.collection, *items):
            found |= self._by_place.get(place, set())
        return found

    def grantees(self, inboxes: Iterable[Inbox]) -> set[str]:
        """By what names something may be shared with these; none for those who see all."""
        viewers = (self._followers[inbox].viewer for inbox in inboxes if inbox in self)
        return {name for viewer in viewers if viewer.visible is not None for name in viewer.grantees}

    def share(self, inbox: Inbox, held: HeldShares) -> SharesChanged | None:
        """Let changes of what is shared now meet this one; what is new of it, None if nothing is."""
        follower = self._followers.get(inbox)
        if follower is None or follower.viewer.visible is None:
            return None
        now: dict[SharedItem, Mode] = {}
        for grantee in follower.viewer.grantees:
            for item, mode in held.get(grantee, {}).items():
                if not follower.viewer.sees(item.collection):
                    now[item] = "manage" if now.get(item) == "manage" else mode
        before = follower.shared
        if now == before:
            return None
        self.leave(inbox)
        self.enter(inbox, Follower(follower.viewer, now))
        return SharesChanged(len(now.items() - before.items()), len(before.items() - now.items()))
