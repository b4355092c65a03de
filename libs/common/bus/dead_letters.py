"""Dead letters: what nobody could handle, wherever it is kept, and which of it an operator means.

What is shown is the header of the message and facts of its event, never its content: a stranger's message may
hold anything.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal, Protocol

import orjson
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from libs.common.bus.history import recall

TEXT_LENGTH = 200
"""Longest text of a letter that is shown, but for the reason."""
REASON_LENGTH = 500


Wanted = Annotated[str, StringConstraints(min_length=1, max_length=TEXT_LENGTH)] | None


class LetterEvent(BaseModel):
    """What a letter's event says of itself; what is missing or odd is null."""

    model_config = ConfigDict(frozen=True)

    id: str | None = None
    type: str | None = None
    source: str | None = None
    time: str | None = None
    file_id: str | None = None
    collection: str | None = None
    trace_id: str | None = None


class DeadLetter(BaseModel):
    """One letter. Two copies of a message in one place have the same id, and one fate."""

    model_config = ConfigDict(frozen=True)

    id: str
    place: str = Field(description="Where it is kept: a queue, or a table")
    queue: str | None = Field(description="Who gave it up, and gets it again; null: who publishes it")
    reason: str
    attempts: int = Field(description="Attempts that were made by then")
    given_up_at: datetime | None = Field(description="Null where an earlier release or the broker did")
    size_bytes: int
    message_id: str | None
    trace_id: str | None
    headers: dict[str, str | int] = Field(description="Of the message, as far as this system gives meaning")
    earlier: list[dict[str, str | int | float]] = Field(
        [], description="What attempts left word of, oldest first; without what they took"
    )
    event: LetterEvent | None = Field(description="Null where the content is no event")


class LetterFilter(BaseModel):
    """What letters must have; all that is given must hold."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    place: Wanted = Field(None, description="Where it is kept, exact")
    queue: Wanted = Field(None, description="Who gave it up, exact")
    reason: Wanted = Field(None, description="Part of the reason, in any case")
    type: Wanted = Field(None, description="Of the event, exact")
    source: Wanted = Field(None, description="Of the event, exact")
    file_id: Wanted = Field(None, description="Of the event, exact")
    collection: Wanted = Field(None, description="Of the event, exact")

    def takes(self, letter: DeadLetter) -> bool:
        """Whether `letter` is meant."""
        event = letter.event or LetterEvent()
        exact = (
            (self.place, letter.place),
            (self.queue, letter.queue),
            (self.type, event.type),
            (self.source, event.source),
            (self.file_id, event.file_id),
            (self.collection, event.collection),
        )
        return all(wanted in (None, found) for wanted, found in exact) and (
            self.reason is None or self.reason.casefold() in letter.reason.casefold()
        )


class Selection(LetterFilter):
    """Which letters are meant: those of the filter, and if ids are named only these."""

    ids: tuple[str, ...] = Field((), max_length=400)

    def takes(self, letter: DeadLetter) -> bool:
        """Whether `letter` is meant."""
        return (not self.ids or letter.id in self.ids) and super().takes(letter)

    @property
    def chosen(self) -> bool:
        """Whether anything was given."""
        return any(getattr(self, name) for name in Selection.model_fields)


Fate = Literal["keep", "replay", "drop"]
Judge = Callable[[DeadLetter], Fate]


@dataclass
class Walked:
    """What a walk has done so far, also when it was cut short."""

    seen: int = 0
    replayed: int = 0
    dropped: int = 0
    more: bool = False
    """Whether letters were left that nobody looked at."""


class DeadLetters(Protocol):
    """A place where letters are kept."""

    async def walk(self, judge: Judge, limit: int, walked: Walked) -> None:
        """Ask `judge` about each letter, `limit` at most in the whole of `walked`, and do what it says.

        A letter leaves only after its copy is confirmed: a crash between may leave both, none is lost.
        Raises Unavailable; `walked` then says what was done.
        """


def letter_id(place: str, message_id: str | None, body: bytes) -> str:
    """The name of a message in `place`, the same at every look: messages need not have one of their own."""
    return hashlib.sha256(b"\0".join((place.encode(), (message_id or "").encode(), body))).hexdigest()[:32]


def event_facts(body: bytes | str) -> LetterEvent | None:
    """What the content says of itself, if it has the form of an event of any release."""
    try:
        event = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(event, dict):
        return None
    inner = event.get("data")
    data: Mapping[str, object] = inner if isinstance(inner, dict) else {}
    found = {name: _text(event.get(name)) for name in ("id", "type", "source", "time")}
    found |= {name: _text(data.get(name)) for name in ("file_id", "collection")}
    found["trace_id"] = trace_of(_text(event.get("traceparent")))
    return LetterEvent(**found) if any(found.values()) else None


def notes_of(earlier: str | None) -> list[dict[str, str | int | float]]:
    """What earlier attempts left word of, plain values only."""
    return [
        {
            shown(name): shown(value) if isinstance(value, str) else value
            for name, value in note.items()
            if isinstance(value, (str, int, float))
        }
        for note in recall(earlier)
    ]


def trace_of(traceparent: str | None) -> str | None:
    """The trace id within a `traceparent` (W3C Trace Context)."""
    parts = (traceparent or "").split("-")
    return parts[1] if len(parts) == 4 and len(parts[1]) == 32 else None


def shown(text: str, length: int = TEXT_LENGTH) -> str:
    """At most `length` characters that a terminal may be given."""
    return "".join(mark if mark.isprintable() else "?" for mark in text[:length])


def _text(value: object) -> str | None:
    return shown(value) if isinstance(value, str) and value else None
