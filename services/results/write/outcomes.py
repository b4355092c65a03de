"""The one rule that decides what events make of a result; they may arrive late, twice and in any order.

An outcome without a row makes it; the first `processed` stands; `processed` replaces `failed`, never the
reverse; a newer method version replaces an older one; anything else changes nothing. All of this is one
order of precedence in which the higher outcome wins and the first of equals stays, so merging events before
they are stored, in whatever groups, ends in the same result. The store compares the same numbers.
"""

from __future__ import annotations

from collections.abc import Iterable

from services.results.write.facts import Facts, HeaderColumns, Outcome, State

RECEIVED = 0
FAILED = 1
PROCESSED = 2
"""Plus the method version, from 0 on."""
ERASED = 2**31 - 1
"""Nothing comes back after an erasure."""


def precedence(outcome: Outcome | None) -> int:
    """Rank of an outcome; None is a file that was only received."""
    if outcome is None:
        return RECEIVED
    if outcome.state == "failed":
        return FAILED
    return PROCESSED + max(outcome.method_version or 0, 0)


def state_of(outcome: Outcome | None) -> State:
    """The state that an outcome puts a file into."""
    return "received" if outcome is None else outcome.state


def decide(held: Outcome | None, new: Outcome | None) -> Outcome | None:
    """The outcome that stands when `new` arrives where `held` is."""
    return new if precedence(new) > precedence(held) else held


def merge(held: Facts, new: Facts) -> Facts:
    """What is known of a file after `new`; the first whole header stands, as the first equal outcome does."""
    return Facts(
        file_id=held.file_id,
        owner_id=held.owner_id,
        trace_id=held.trace_id or new.trace_id,
        header=held.header if _is_whole(held.header) else new.header or held.header,
        outcome=decide(held.outcome, new.outcome),
    )


def _is_whole(header: HeaderColumns | None) -> bool:
    return header is not None and header.raw_data is not None


def fold(facts: Iterable[Facts]) -> list[Facts]:
    """Merge per file, in order of arrival; one entry per file."""
    merged: dict[object, Facts] = {}
    for new in facts:
        held = merged.get(new.file_id)
        merged[new.file_id] = new if held is None else merge(held, new)
    return list(merged.values())
