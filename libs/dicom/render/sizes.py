"""A thumbnail's smaller sizes, which lie behind it in the same object.

A decoder of JPEG ends at the end of the first picture, so whoever knows of no sizes shows that. The sizes are
made where the thumbnail is, by a process that may do nothing else: whoever gives them out decodes nothing.
"""

from __future__ import annotations

import struct

SMALLER = (128, 64)
"""Longest sides in pixels, in the order in which they lie."""
LARGEST = 256

_FOOTER = struct.Struct(f">{len(SMALLER)}I8s")
_MARK = b"thumbs01"


def join(largest: bytes, smaller: list[bytes]) -> bytes:
    """One object; of `smaller` a picture for each of SMALLER, empty where the one before is small enough."""
    return b"".join((largest, *smaller, _FOOTER.pack(*map(len, smaller), _MARK)))


def pick(content: bytes, side: int) -> bytes:
    """The picture whose longest side is `side` or, where there is none such, the next larger one."""
    if len(content) < _FOOTER.size:
        return content
    *lengths, mark = _FOOTER.unpack_from(content, len(content) - _FOOTER.size)
    first = len(content) - _FOOTER.size - sum(lengths)
    # Whoever wrote it read a stranger's file.
    if mark != _MARK or first <= 0:
        return content
    found, start = content[:first], first
    for longest, length in zip(SMALLER, lengths, strict=True):
        if longest >= side and length:
            found = content[start : start + length]
        start += length
    return found
