"""Identifiers: UUIDv7 (RFC 9562) for files and events, integers for users."""

from __future__ import annotations

from typing import NewType
from uuid import UUID

import uuid_utils.compat

UserId = NewType("UserId", int)
ObjectKey = NewType("ObjectKey", str)
"""Key of a stored object: `<file_id>`, or with `.place`, `.thumbnail` or `.analysis.<name>` behind it."""


def new_uuid() -> UUID:
    """Draw a UUIDv7: time-ordered, so that indexes grow at one end."""
    return uuid_utils.compat.uuid7()


def new_file_id() -> UUID:
    """Draw the id of a new file."""
    return new_uuid()


def began_at(file_id: UUID) -> float:
    """When a UUIDv7 was drawn, in seconds since 1970 (its first 48 bits count milliseconds)."""
    return (file_id.int >> 80) / 1000.0


def lowest_id(seconds: float) -> UUID:
    """The lowest UUIDv7 that can be drawn at `seconds` since 1970, or later."""
    milliseconds = min(max(int(seconds * 1000), 0), (1 << 48) - 1)
    return UUID(int=milliseconds << 80)


def file_key(file_id: UUID) -> ObjectKey:
    """Object key of the uploaded file."""
    return ObjectKey(str(file_id))


def place_key(file_id: UUID) -> ObjectKey:
    """Object key of what says where a moved file lies: its own trailer still names the first place."""
    return ObjectKey(f"{file_id}.place")


def analysis_key(file_id: UUID, analyzer: str) -> ObjectKey:
    """Object key of what an analyzer found that is too large to send."""
    return ObjectKey(f"{file_id}.analysis.{analyzer}")


def attempts_key(file_id: UUID) -> ObjectKey:
    """Object key of the mark that says which attempt at it was begun last."""
    return analysis_key(file_id, "attempts")


def thumbnail_key(file_id: UUID) -> ObjectKey:
    """Object key of its thumbnail."""
    return ObjectKey(f"{file_id}.thumbnail")
