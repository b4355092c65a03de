"""How objects lie in a GridFS bucket: names, documents and chunks. Pure; ciphertext only.

`objects.files` holds one document per revision of an object. `filename` is the object's key while the
revision is visible; of several, the one with the highest `metadata.revision` is the object. `metadata.header`
and `metadata.trailer` are the container's ends, `objects.chunks` what lies between, a quarter of a sealed
segment each. `metadata.stale_since` marks what the sweep has to look after: unfinished uploads (`.tmp/…`),
revisions that were replaced or deleted (`.gone/…`: without their header, so that nobody can decrypt them any
more; who had opened them goes on reading), and replacements that a crash cut off.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NewType

from libs.common.encryption import SEALED_SEGMENT_BYTES
from libs.common.errors import ObjectCorrupt
from libs.common.ids import ObjectKey

CHUNKS_PER_SEGMENT = 4
CHUNK_BYTES = SEALED_SEGMENT_BYTES // CHUNKS_PER_SEGMENT
"""262 148 bytes: no segment shares a chunk with another."""
INLINE_TRAILER_BYTES = 256 << 10
"""Up to here the trailer lies in the document and costs no second read; documents are limited to 16 MiB."""

Document = dict[str, Any]
RevisionId = NewType("RevisionId", str)


@dataclass(frozen=True, slots=True)
class Revision:
    """One version of an object: the ends of its container, and how many bytes lie in chunks between."""

    id: RevisionId
    header: bytes
    chunk_bytes: int
    trailer: bytes
    """Sealed trailer and its length; empty where they are too long, and end the chunks instead."""

    @property
    def container_bytes(self) -> int:
        """Length of the whole container."""
        return len(self.header) + self.chunk_bytes + len(self.trailer)

    @property
    def chunks(self) -> int:
        """How many chunks there are."""
        return -(-self.chunk_bytes // CHUNK_BYTES)


def unfinished(revision: RevisionId) -> str:
    """Name of an upload."""
    return f".tmp/{revision}"


def gone(revision: RevisionId) -> str:
    """Name of what waits for a sweep."""
    return f".gone/{revision}"


def begun(revision: RevisionId, key: ObjectKey) -> Document:
    """The document of an upload that has just begun."""
    now = datetime.now(UTC)
    return {
        "_id": revision,
        "filename": unfinished(revision),
        "length": 0,
        "chunkSize": CHUNK_BYTES,
        "uploadDate": now,
        "metadata": {"key": key, "stale_since": now},
    }


def publishing(key: ObjectKey, revision: Revision, number: int, *, replaces: bool) -> Document:
    """The update that makes an upload the object of `key`; marked until what it replaces is retired."""
    change: Document = {
        "$set": {
            "filename": key,
            "length": revision.chunk_bytes,
            "uploadDate": datetime.now(UTC),
            "metadata.revision": number,
            "metadata.header": revision.header,
            "metadata.trailer": revision.trailer,
            "metadata.container_bytes": revision.container_bytes,
        }
    }
    return change if replaces else {**change, "$unset": {"metadata.stale_since": ""}}


def retiring(revision: RevisionId) -> Document:
    """The update after which nobody can find or decrypt a revision."""
    return {
        "$set": {"filename": gone(revision), "metadata.stale_since": datetime.now(UTC)},
        "$unset": {"metadata.header": "", "metadata.trailer": "", "metadata.revision": ""},
    }


def chunks_of(revision: RevisionId, first: int, sealed: bytes) -> list[Document]:
    """Documents of `sealed` from chunk `first` on."""
    return [
        {"files_id": revision, "n": first + n, "data": sealed[start : start + CHUNK_BYTES]}
        for n, start in enumerate(range(0, len(sealed), CHUNK_BYTES))
    ]


def chunk_query(revision: RevisionId, first: int, stop: int) -> tuple[Document, Document]:
    """Filter and projection of the chunks `first` to `stop` (exclusive)."""
    return {"files_id": revision, "n": {"$gte": first, "$lt": stop}}, {"_id": 0, "n": 1, "data": 1}


def joined(found: Sequence[Document], first: int, stop: int) -> bytes:
    """Their bytes. Raises ObjectCorrupt if one is missing."""
    if [chunk["n"] for chunk in found] != list(range(first, stop)):
        raise ObjectCorrupt("The object was cut: chunks of it are missing.")
    return b"".join(chunk["data"] for chunk in found)


def revision_of(found: Document) -> Revision:
    """What a document of a visible revision says; whatever it lacks makes the container corrupt."""
    ends = found.get("metadata") or {}
    header, trailer = bytes(ends.get("header", b"")), bytes(ends.get("trailer", b""))
    return Revision(found["_id"], header, found["length"], trailer)
