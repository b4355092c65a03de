"""HTTP byte ranges and names of downloads, pure (RFC 9110 14, RFC 6266, RFC 8187)."""

from __future__ import annotations

import re
from urllib.parse import quote

from libs.common.errors import RangeNotSatisfiable

_RANGE = re.compile(r"bytes=\s*(?:(\d{1,19})-(\d{0,19})|-(\d{1,19}))\s*", re.ASCII | re.IGNORECASE)
_UNSAFE = re.compile(r"[^ !#-\[\]-~]")
_ATTR_CHARS = "!#$&+-.^_`|~"


def parse_range(header: str | None, size: int) -> tuple[int, int] | None:
    """First byte and the one after the last, of a single range in `size` bytes.

    None means the whole: no header, several ranges, another unit, or nothing that can be read (RFC 9110
    14.2 has all of these ignored). Raises RangeNotSatisfiable when the range lies outside.
    """
    match = _RANGE.fullmatch(header or "")
    if match is None:
        return None
    first, last, suffix = match.groups()
    if suffix is not None:
        start, stop = max(size - int(suffix), 0), size
    else:
        start, stop = int(first), min(int(last) + 1, size) if last else size
        if last and int(last) < start:
            return None
    if start >= stop:
        raise RangeNotSatisfiable(f"The object has {size} bytes; the range lies outside.", size=size)
    return start, stop


def content_disposition(file_name: str) -> str:
    """`attachment` with a plain ASCII name for old clients and the true one beside it when they differ."""
    plain = _UNSAFE.sub("_", file_name)
    disposition = f'attachment; filename="{plain}"'
    if plain != file_name:
        disposition += f"; filename*=UTF-8''{quote(file_name, safe=_ATTR_CHARS)}"
    return disposition


def etag_matches(header: str | None, etag: str) -> bool:
    """Whether an If-None-Match header names `etag` (quoted, strong); weak comparison."""
    if header is None:
        return False
    tags = {tag.strip().removeprefix("W/") for tag in header.split(",")}
    return "*" in tags or etag in tags
