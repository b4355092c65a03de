"""The one rule that decides what events make of a result; they may arrive late, twice and in any order.

An outcome without a row makes it; the first `processed` stands; `processed` replaces `failed`, never the
reverse; a newer version of the analyzer replaces an older one; anything else changes nothing. All of this is
one order of precedence, asked per file and analyzer, in which the higher outcome wins and the first of equals
stays, so merging events before they are stored, in whatever groups, ends in the same result.

Requests to measure a file again are numbered, and outcomes say which they answer. A failure counts only while
nobody has asked again: with a higher number known, the file is `received` once more, and what failed before,
or is told of that late, changes nothing. A measurement counts whichever request it answers.

Where the file lies is said by the move with the highest number, as ingest counts them; what knows of none
says 0, and changes no place that a move has given.

A file that another one replaced is `superseded` and stays so, whether its own events come before or after;
nothing comes back after an erasure. What was made of other bytes than the row's changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from services.results.write.facts import Facts, HeaderFacts, Outcome, State

RECEIVED = 0
FAILED = 1
PROCESSED = 2
"""Plus the version of the analyzer, from 0 on."""
ERASED = 2**31 - 1
SUPERSEDED = ERASED - 1


class Held(NamedTuple):
    """What the row says before a change. Field order is that of the SQL."""

    file_id: UUID
    owner_id: int
    collection: str
    state: State
    precedence: int
    """Of the outcome that it holds, whatever became of the file since."""
    whole: bool
    """Whether the header is known."""
    received_at: datetime | None
    sha256: str | None
    """Of the bytes received; before `received`, of those that its outcome was made from."""
    study_instance_uid: str | None
    series_instance_uid: str | None
    thumbnail: bool
    counted: State | None
    filed: State | None
    moves: int
    """Number of the latest move that is known."""
    request: int
    """Number of the latest request that is known."""


class StateChange(NamedTuple):
    """What to write of one file, and what it is then."""

    file_id: UUID
    owner_id: int
    collection: str
    trace_id: str | None
    held: Held | None
    header: HeaderFacts | None
    """To be written."""
    outcome: Outcome | None
    """To be written."""
    withdrawn: bool
    """Whether the outcome held was made of other bytes, or is a failure that is tried again, and goes."""
    state: State
    precedence: int
    study_instance_uid: str | None
    series_instance_uid: str | None
    sha256: str | None
    moves: int
    request: int

    @property
    def relocated(self) -> bool:
        """Whether the row lay in another collection before."""
        return self.held is not None and self.held.collection != self.collection

    @property
    def placed(self) -> bool:
        """Whether the row has to be told where the file lies, or by which move."""
        return self.held is not None and (self.relocated or self.held.moves != self.moves)

    @property
    def asked_again(self) -> bool:
        """Whether a request became known that the row does not know."""
        return self.held is not None and self.held.request != self.request

    @property
    def announced(self) -> bool:
        """Whether the result changed, not only what is known of the header, of moves or of requests."""
        held = self.held
        changed = held is None or held.state != self.state or self.outcome is not None or self.withdrawn
        return changed or self.relocated

    @property
    def effective(self) -> bool:
        """Whether anything changed."""
        return self.announced or self.header is not None or self.placed or self.asked_again

    @property
    def rank(self) -> int | None:
        """Of the outcome to be written."""
        return None if self.outcome is None else precedence(self.outcome)

    @property
    def first(self) -> bool:
        """Whether the file had never had an outcome and has one now."""
        new = self.held is None or (self.held.precedence == RECEIVED and self.held.request == 0)
        return self.outcome is not None and new

    @property
    def received_at(self) -> datetime | None:
        """When the file was accepted; None while only its outcome is known."""
        if self.header is not None:
            return self.header.received_at
        return None if self.held is None else self.held.received_at


def precedence(outcome: Outcome | None) -> int:
    """Rank of an outcome among those of its analyzer; None is a file that was only received."""
    if outcome is None:
        return RECEIVED
    if outcome.state == "failed":
        return FAILED
    return min(PROCESSED + max(outcome.method_version or 0, 0), SUPERSEDED - 1)


def is_stale(outcome: Outcome, sha256: str | None) -> bool:
    """Whether it was made from other bytes; who does not say from which (as once) is believed."""
    return sha256 is not None and outcome.sha256 not in (None, sha256)


def settle(held: Held | None, new: Facts) -> StateChange | None:
    """What `new` makes of the row; None when nobody may change it, or the events speak of another's file."""
    if held is not None and (held.state == "erased" or _is_foreign(held, new)):
        return None
    received = held is not None and held.received_at is not None
    header = _header(held, new.header)
    known = held.sha256 if held is not None and received else None if header is None else header.sha256
    request = new.request if held is None else max(held.request, new.request)
    withdrawn = held is not None and (
        (
            not received
            and known is not None
            and held.sha256 not in (None, known)
            and held.precedence > RECEIVED
        )
        or (held.precedence == FAILED and held.request < request)
    )
    standing = RECEIVED if held is None or withdrawn else held.precedence
    outcome = None
    for candidate in new.outcomes:
        if is_stale(candidate, known) or (candidate.state == "failed" and candidate.request < request):
            continue
        if precedence(candidate) > max(standing, precedence(outcome)):
            outcome = candidate
    standing = max(standing, precedence(outcome))
    # Before `received`, who sent the outcome says where the file lies; `received` knows it.
    source = held if held is not None and (received or new.header is None) else new
    place = held if held is not None and held.moves > new.moves else new if new.moves else source
    superseded = new.superseded_in == place.collection or (
        held is not None and held.state == "superseded" and held.collection == place.collection
    )
    study, series = (held.study_instance_uid, held.series_instance_uid) if held else (None, None)
    return StateChange(
        file_id=new.file_id,
        owner_id=source.owner_id,
        collection=place.collection,
        trace_id=new.trace_id,
        held=held,
        header=header,
        outcome=outcome,
        withdrawn=withdrawn,
        state="superseded" if superseded else _state(standing),
        precedence=SUPERSEDED if superseded else standing,
        study_instance_uid=study or (header and header.columns["study_instance_uid"]),
        series_instance_uid=series or (header and header.columns["series_instance_uid"]),
        sha256=known
        or (outcome.sha256 if outcome is not None else None if withdrawn else held and held.sha256),
        moves=place.moves,
        request=request,
    )


def merge(held: Facts, new: Facts) -> Facts:
    """What several events tell of a file; the first whole header stands."""
    named = held if held.header is not None or new.header is None else new
    latest = named if held.moves == new.moves else max(held, new, key=lambda facts: facts.moves)
    return Facts(
        file_id=held.file_id,
        owner_id=named.owner_id,
        collection=latest.collection,
        trace_id=held.trace_id or new.trace_id,
        header=held.header if held.header is not None and held.header.whole else new.header or held.header,
        outcomes=held.outcomes + new.outcomes,
        superseded_in=held.superseded_in or new.superseded_in,
        moves=latest.moves,
        request=max(held.request, new.request),
    )


def fold(facts: Iterable[Facts]) -> list[Facts]:
    """Merge per file, in order of arrival; one entry per file."""
    merged: dict[UUID, Facts] = {}
    for new in facts:
        held = merged.get(new.file_id)
        merged[new.file_id] = new if held is None else merge(held, new)
    return list(merged.values())


def _header(held: Held | None, new: HeaderFacts | None) -> HeaderFacts | None:
    """The header to write: the first whole one stands, and until then the first."""
    if new is None or held is None or held.received_at is None:
        return new
    return new if new.whole and not held.whole else None


def _is_foreign(held: Held, new: Facts) -> bool:
    """Whether nothing is told but that a file of another collection was replaced, which nobody may do."""
    told = new.header is not None or bool(new.outcomes)
    told = told or new.moves > held.moves or new.request > held.request
    return not told and new.superseded_in not in (None, held.collection)


def _state(standing: int) -> State:
    return "received" if standing == RECEIVED else "failed" if standing == FAILED else "processed"
