"""What goes over the socket pair of a child: length-prefixed frames of few parts; nothing is unpickled."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from struct import Struct
from typing import NamedTuple

CONFIGURE, CALL, CALL_ON_FILE, READY, ANSWER, RAISED = range(6)
"""What a frame is: the parent sends the first three, and with the third a descriptor."""
MOST_PARTS = 4
BEGUN_BYTES = 8
"""Of the memory beside the socket, in which a child counts the calls that it has begun."""

_HEAD = Struct("<IBB")
"""Bytes of all parts together, kind, number of parts; then the length of each part; then the parts."""
_LENGTHS = tuple(Struct(f"<{count}I") for count in range(MOST_PARTS + 1))


class Malformed(Exception):
    """The other side does not keep to the format."""


class Frame(NamedTuple):
    """One frame."""

    kind: int
    parts: tuple[bytes, ...]


def frame(kind: int, parts: Sequence[bytes] = ()) -> bytes:
    """Encode a frame."""
    lengths = [len(part) for part in parts]
    head = _HEAD.pack(sum(lengths), kind, len(lengths)) + _LENGTHS[len(lengths)].pack(*lengths)
    return b"".join((head, *parts))


class Frames:
    """Cuts what is received into frames; holds no more than one frame's bytes and what was fed last."""

    def __init__(self, most_bytes: int) -> None:
        """No frame's parts have more than `most_bytes` together."""
        self._most = most_bytes
        self._buffer = bytearray()
        self._wanted = _HEAD.size

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Give the frames that are complete now. Raises Malformed."""
        self._buffer += data
        while len(self._buffer) >= self._wanted and (cut := self._cut()) is not None:
            yield cut

    def _cut(self) -> Frame | None:
        buffer = self._buffer
        size, kind, count = _HEAD.unpack_from(buffer)
        if size > self._most or count > MOST_PARTS:
            raise Malformed(f"a frame of {size} bytes in {count} parts")
        start = _HEAD.size + _LENGTHS[count].size
        self._wanted = start + size
        if len(buffer) < self._wanted:
            return None
        lengths = _LENGTHS[count].unpack_from(buffer, _HEAD.size)
        if sum(lengths) != size:
            raise Malformed("the parts of a frame are longer or shorter than itself")
        parts = []
        for length in lengths:
            parts.append(bytes(buffer[start : start + length]))
            start += length
        del buffer[:start]
        self._wanted = _HEAD.size
        return Frame(kind, tuple(parts))
