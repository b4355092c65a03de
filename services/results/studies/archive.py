"""ZIP archives that are written while they are sent, and names in them that no system takes amiss; pure.

Entries are stored as they are, each followed by a data descriptor (APPNOTE 4.3.9); sizes and offsets beyond
4 GiB are Zip64 (4.5.3), which `zipfile` decides by the size that is told beforehand.
"""

from __future__ import annotations

import re
import unicodedata
import zipfile
from datetime import UTC, datetime
from typing import IO

CHARACTERS = 100
"""Most of one name, without what tells it from others; four bytes each at most."""

_BAD = re.compile(r'[\\/:*?"<>|]')
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?", re.IGNORECASE | re.DOTALL)


def safe_name(text: str) -> str:
    """`text` as one part of a path on any system; empty where nothing of it can be.

    No separator, control or direction mark, reserved name of Windows, and nothing that it would cut off.
    """
    told = "".join(c if c.isprintable() else " " for c in unicodedata.normalize("NFC", text))
    name = _BAD.sub("_", told)[:CHARACTERS].strip(" .")
    return f"_{name}" if _RESERVED.fullmatch(name) else name


def series_folder(number: int | None, modality: str | None, description: str | None) -> str:
    """The folder of a series by what its header tells, e.g. `004 CT axial 5.0`."""
    parts = [None if number is None else f"{number:03}", modality, description]
    return safe_name(" ".join(part for part in parts if part)) or "series"


class Names:
    """Gives out each name once, whatever the case."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def take(self, name: str) -> str:
        """`name`, or one like it; its ending stays."""
        stem, dot, ending = name.rpartition(".")
        if not stem or len(ending) > 8 or "/" in ending:
            stem, dot, ending = name, "", ""
        taken, number = name, 1
        while taken.casefold() in self._taken:
            number += 1
            taken = f"{stem} ({number}){dot}{ending}"
        self._taken.add(taken.casefold())
        return taken


class _Sink:
    """What `zipfile` writes to: keeps bytes until they are taken. It cannot seek, which zipfile notices."""

    def __init__(self) -> None:
        self._kept: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._kept.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing waits elsewhere."""

    def take(self) -> bytes:
        kept, self._kept = self._kept, []
        return b"".join(kept)


class ZipStream:
    """An archive in the making. Of what it sent it keeps the directory alone."""

    def __init__(self) -> None:
        self._sink = _Sink()
        self._zip = zipfile.ZipFile(self._sink, "w", zipfile.ZIP_STORED)  # type: ignore[call-overload]
        self._entry: IO[bytes] | None = None

    def begin(self, name: str, size: int, made_at: datetime | None) -> bytes:
        """Begin an entry of `size` bytes; what is to be sent."""
        at = (made_at or datetime.now(UTC)).astimezone(UTC)
        info = zipfile.ZipInfo(name, max(at.timetuple()[:6], (1980, 1, 1, 0, 0, 0)))
        info.file_size, info.external_attr = size, 0o644 << 16
        self._entry = self._zip.open(info, "w")
        return self._sink.take()

    def add(self, chunk: bytes) -> bytes:
        """Go on with the entry; what is to be sent."""
        assert self._entry is not None  # noqa: S101  the caller has begun one
        self._entry.write(chunk)
        return self._sink.take()

    def end(self) -> bytes:
        """End the entry; what is to be sent."""
        assert self._entry is not None  # noqa: S101  likewise
        self._entry.close()
        self._entry = None
        return self._sink.take()

    def close(self) -> bytes:
        """The directory; nothing follows. Where it was broken off: what nobody needs."""
        if self._entry is not None:
            self._entry.close()
        self._zip.close()
        return self._sink.take()
