"""What is wrong with a file when its rows and its objects are held side by side, and what mends it.

A file is judged whole only when it is settled: old enough, and with nothing about it on its way. Before that
only what can never be right counts: the object is durable before the row exists, so a row without one is a
loss at any age.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, NamedTuple
from uuid import UUID

Kind = Literal[
    "object-missing",
    "object-corrupt",
    "not-in-results",
    "stalled",
    "request-unanswered",
    "header-missing",
    "thumbnail-missing",
    "thumbnail-corrupt",
    "failure-not-noted",
    "failure-outdated",
    "supersession-not-noted",
    "result-not-superseded",
    "move-not-told",
    "move-not-noted",
    "result-without-file",
    "row-missing",
    "orphan-object",
    "outbox-dead",
    "dead-letters",
]
Remedy = Literal[
    "queue",
    "queue-heir",
    "ask-again",
    "note-failure",
    "forget-failure",
    "note-supersession",
    "tell-move",
    "note-move",
    "restore-row",
    "rebuild",
    "delete",
    "replay",
    "none",
]
AcceptedRow = Literal["accepted", "superseded", "erased"]
ResultRow = Literal["received", "processed", "failed", "superseded", "erased"]
MoveGap = Literal["untold", "unnoted"]
ObjectState = Literal["there", "missing", "corrupt"]

CONSISTENT, MENDABLE, LOSS = 0, 1, 2
"""Exit codes."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What a kind of discrepancy means to an operator, and what repairs it."""

    meaning: str
    remedy: Remedy
    loss: bool = False


RULES: Mapping[Kind, Rule] = MappingProxyType(
    {
        "object-missing": Rule(
            "LOST: an accepted file has no object; restore it from the backup", "none", loss=True
        ),
        "object-corrupt": Rule(
            "LOST: an accepted file's object does not authenticate; restore it from the backup",
            "none",
            loss=True,
        ),
        "not-in-results": Rule("accepted, but results knows nothing of it", "queue"),
        "stalled": Rule("received, and nobody works on it", "queue"),
        "request-unanswered": Rule("asked to be measured again, and nobody works on it", "ask-again"),
        "header-missing": Rule("ended, but its header was never read", "queue"),
        "thumbnail-missing": Rule("processed, but its thumbnail is gone", "queue"),
        "thumbnail-corrupt": Rule("processed, but its thumbnail is empty or does not authenticate", "queue"),
        "failure-not-noted": Rule(
            "failed, but ingest does not know: sending it again would not queue it", "note-failure"
        ),
        "failure-outdated": Rule(
            "processed, but ingest takes it for failed: other bytes could take its place", "forget-failure"
        ),
        "supersession-not-noted": Rule(
            "superseded, but ingest does not know: it keeps the other file's place", "note-supersession"
        ),
        "result-not-superseded": Rule(
            "superseded, but results does not know: it is shown as if it stood", "queue-heir"
        ),
        "move-not-told": Rule(
            "moved, but results does not know: it shows it to those whose collection it has left", "tell-move"
        ),
        "move-not-noted": Rule(
            "moved, but ingest does not know: it looks for it in the old place", "note-move"
        ),
        "result-without-file": Rule("a result of which ingest has no row", "restore-row"),
        "row-missing": Rule(
            "an object that says whose it is, and no row knows it (--rebuild-rows makes its row)", "rebuild"
        ),
        "orphan-object": Rule("an object that belongs to nobody (--delete-orphans removes it)", "delete"),
        "outbox-dead": Rule("an event that the outbox has given up", "replay"),
        "dead-letters": Rule("messages that nobody could read, for an operator to look at", "none"),
    }
)


class Known(NamedTuple):
    """What the rows say of one file; None where there is no row."""

    file_id: UUID
    accepted: AcceptedRow | None
    failure_noted: bool
    replaced: bool
    """Whether another accepted file has the place that this superseded one had."""
    result: ResultRow | None
    header_known: bool
    thumbnail_key: str | None
    restorable: bool
    """Whether the result holds all that ingest's row needs."""
    move: MoveGap | None
    """Which of the two knows of a later move than the other, where they say another collection."""
    requested: bool
    """Whether it was asked to be measured again, and no outcome has answered that."""
    aged: bool
    """Whether nothing has changed for as long as work on it may take."""


class Objects(NamedTuple):
    """What the store has of one file; `thumbnail` None where none is expected."""

    file: ObjectState
    thumbnail: ObjectState | None


def discrepancies(known: Known, objects: Objects, *, under_way: bool) -> tuple[Kind, ...]:
    """Everything wrong with one file. `under_way`: an event about it waits, or may wait, somewhere."""
    if "erased" in (known.accepted, known.result) or (known.accepted is None and known.result is None):
        return ()
    settled = known.aged and not under_way
    if known.accepted == "superseded":
        # Nobody misses its object: it could not be measured, and other bytes stand in its place.
        return ("result-not-superseded",) if settled and known.result != "superseded" else ()
    if known.accepted == "accepted" and known.result == "superseded":
        # Ingest alone decides that, and before it tells results: it has forgotten.
        return ("supersession-not-noted",)
    lost: tuple[Kind, ...] = ()
    if objects.file != "there" and known.result != "superseded":
        lost = ("object-missing" if objects.file == "missing" else "object-corrupt",)
    if known.accepted is None:
        # Ingest's row is written before anything can tell results of the file.
        return (*lost, "result-without-file")
    return (*lost, *_of_a_settled(known, objects)) if settled else lost


def _of_a_settled(known: Known, objects: Objects) -> Iterable[Kind]:
    if known.requested:
        yield "request-unanswered"
    match known.result:
        case None:
            yield "not-in-results"
        case "received" if not known.requested:
            # Also without its object: queued again it ends failed, which is the truth.
            yield "stalled"
        case "processed" | "failed" if objects.file == "there" and not known.header_known:
            yield "header-missing"
        case "processed" if objects.file == "there" and objects.thumbnail == "missing":
            yield "thumbnail-missing"
        case "processed" if objects.file == "there" and objects.thumbnail == "corrupt":
            yield "thumbnail-corrupt"
    if known.move == "untold":
        yield "move-not-told"
    if known.move == "unnoted":
        yield "move-not-noted"
    if known.result == "processed" and known.failure_noted:
        yield "failure-outdated"
    if known.result == "failed" and not known.failure_noted:
        yield "failure-not-noted"


def repairable(kind: Kind, known: Known, objects: Objects) -> bool:
    """Whether `kind`, found at this file, can be mended from the rows, here and now."""
    if kind == "result-without-file":
        return known.restorable and objects.file == "there"
    if kind == "result-not-superseded":
        return known.replaced
    return RULES[kind].remedy != "none"


def exit_code(found: Iterable[Kind]) -> int:
    """CONSISTENT without findings, LOSS if any is one, else MENDABLE, whether or not it was repaired."""
    return max((LOSS if RULES[kind].loss else MENDABLE for kind in found), default=CONSISTENT)
