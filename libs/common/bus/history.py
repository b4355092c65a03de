"""What earlier attempts at an event left word of, as it travels beside the event: a JSON array, bounded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

MOST = 16
"""Attempts that are remembered, the latest."""
MAX_CHARACTERS = 16 << 10
"""Of the whole: a message's headers are one frame of AMQP, which the broker bounds at 128 KiB."""


def remember(earlier: str | None, note: Mapping[str, Any]) -> str:
    """`earlier` with one attempt more; the oldest go where there is no room."""
    notes = [*recall(earlier), dict(note)][-MOST:]
    while True:
        written = orjson.dumps(notes).decode()
        if len(written) <= MAX_CHARACTERS or not notes:
            return written
        notes = notes[1:]


def recall(earlier: str | None) -> list[dict[str, Any]]:
    """The attempts, oldest first; odd headers of foreign publishers count as absent."""
    if earlier is None or len(earlier) > MAX_CHARACTERS:
        return []
    try:
        notes = orjson.loads(earlier)
    except orjson.JSONDecodeError:
        return []
    return [note for note in notes if isinstance(note, dict)][-MOST:] if isinstance(notes, list) else []
