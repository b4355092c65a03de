"""Opaque cursors: a place in the list of results, studies, shares or jobs, and a place in the change feed."""

from __future__ import annotations

import base64
import binascii
import struct
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from libs.common.errors import InvalidRequest, RequestError

# The first byte tells the kinds apart, so that one is never taken for the other.
_PAGE = struct.Struct(">c16s")
_FEED = struct.Struct(">cQQq")
_FEED_BEFORE = struct.Struct(">cQq")
"""Of the release before, which knew no timelines: taken for one more release, never given out."""


class CursorExpired(RequestError):
    """The change feed does not go back that far, or is another one by now: changes may have been missed."""

    status = 410
    code = "cursor-expired"
    title = "Cursor expired"


class Position(NamedTuple):
    """A place in the change feed: everything up to it has been seen. `seq` counts from 1."""

    xid: int
    seq: int


START = Position(0, 0)


class FeedCursor(NamedTuple):
    """A position, and the timeline of the database that it is of; None: not told, and taken for today's."""

    position: Position
    timeline: int | None


def encode_page(file_id: UUID) -> str:
    """The cursor after `file_id`."""
    return _encode_page(b"r", file_id)


def decode_page(cursor: str) -> UUID:
    """The file id that a page starts after. Raises InvalidRequest."""
    return _decode_page(b"r", cursor)


class StudyPlace(NamedTuple):
    """A place in a list of studies: its order, what it is sorted by there, and whose that was."""

    sort: str
    key: str
    study_instance_uid: str
    collection: str


def encode_study(place: StudyPlace) -> str:
    """The cursor after a study."""
    return _encode(b"t" + orjson.dumps([*place]))


def decode_study(cursor: str) -> StudyPlace:
    """The place that a page starts after. Raises InvalidRequest."""
    raw = _raw(cursor)
    try:
        values = orjson.loads(raw[1:]) if raw[:1] == b"t" else None
    except orjson.JSONDecodeError:
        values = None
    texts = values if isinstance(values, list) else []
    if len(texts) != 4 or not all(isinstance(text, str) and "\0" not in text for text in texts):
        raise _invalid()
    place = StudyPlace(*texts)
    if encode_study(place) != cursor:
        raise _invalid()
    return place


def encode_share(share_id: UUID) -> str:
    """The cursor after a share."""
    return _encode_page(b"s", share_id)


def decode_share(cursor: str) -> UUID:
    """The share that a page starts after. Raises InvalidRequest."""
    return _decode_page(b"s", cursor)


def encode_job(job_id: UUID) -> str:
    """The cursor after a job."""
    return _encode_page(b"j", job_id)


def decode_job(cursor: str) -> UUID:
    """The job that a page starts after. Raises InvalidRequest."""
    return _decode_page(b"j", cursor)


def encode_position(position: Position, timeline: int) -> str:
    """The cursor of a place in the change feed, on one timeline of the database."""
    return _encode(_FEED.pack(b"f", timeline, *position))


def decode_position(cursor: str) -> FeedCursor:
    """The place in the change feed. Raises InvalidRequest."""
    timeline: int | None = None
    if len(_raw(cursor)) == _FEED_BEFORE.size:
        kind, xid, seq = _decode(_FEED_BEFORE, cursor)
        known = kind == b"c"
    else:
        kind, timeline, xid, seq = _decode(_FEED, cursor)
        known = kind == b"f"
    if not known or seq < 0:
        raise _invalid()
    return FeedCursor(Position(xid, seq), timeline)


def _encode_page(kind: bytes, last: UUID) -> str:
    return _encode(_PAGE.pack(kind, last.bytes))


def _decode_page(kind: bytes, cursor: str) -> UUID:
    found, value = _decode(_PAGE, cursor)
    if found != kind:
        raise _invalid()
    return UUID(bytes=value)


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _raw(cursor: str) -> bytes:
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        return base64.b64decode(padded, altchars=b"-_", validate=True)
    except (UnicodeEncodeError, binascii.Error):
        raise _invalid() from None


def _decode(form: struct.Struct, cursor: str) -> tuple[Any, ...]:
    raw = _raw(cursor)
    try:
        values = form.unpack(raw)
    except struct.error:
        raise _invalid() from None
    if _encode(raw) != cursor:
        raise _invalid()
    return values


def _invalid() -> InvalidRequest:
    return InvalidRequest("This cursor is not one that this service gave out: start again without it.")
