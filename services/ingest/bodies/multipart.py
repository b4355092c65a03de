"""Multipart bodies as events, parsed as their bytes arrive (RFC 2046 5.1); no I/O of its own."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser

_BOUNDARY = re.compile(r';\s*boundary\s*=\s*(?:"(?P<quoted>[^"]*)"|(?P<bare>[^\s;"]+))', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class PartBegins:
    """The headers of a part, with names in lower case; what is not UTF-8 is kept as surrogates."""

    headers: dict[str, str]


@dataclass(frozen=True, slots=True)
class PartEnds:
    """The part before ends here."""


@dataclass(frozen=True, slots=True)
class BodyEnds:
    """After the last part; what follows is no part of anything."""


MOST_HEADERS = 64
"""Of a part. What mail is made with writes a dozen, beyond the eight that python_multipart would take."""
LONGEST_PREAMBLE = 4096
"""Bytes before the first boundary, which no client needs and RFC 2046 allows."""
BodyEvent = PartBegins | bytes | PartEnds | BodyEnds
"""`bytes` is a piece of the part that has begun."""


def boundary_of(content_type: str) -> str:
    """The boundary that a Content-Type header names, quoted or not. Raises ValueError without one."""
    found = _BOUNDARY.search(content_type)
    boundary = "" if found is None else found["quoted"] or found["bare"] or ""
    if not boundary:
        raise ValueError("no boundary")
    return boundary


class MultipartFeed:
    """Takes a body piece by piece and keeps what was found in it, until somebody takes that."""

    def __init__(self, boundary: str) -> None:
        """Raises ValueError for one that is too long, or that no header holds."""
        self._found: deque[BodyEvent] = deque()
        self._headers: dict[str, str] = {}
        self._name, self._value = b"", b""
        self._ended = False
        self._preamble: bytes | None = b""
        """What has come before the first boundary; None after it."""
        self._delimiter = b"--" + boundary.encode("latin-1")
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._headers_begin,
                "on_header_field": self._header_field,
                "on_header_value": self._header_value,
                "on_header_end": self._header_ends,
                "on_headers_finished": self._headers_end,
                "on_part_data": self._data,
                "on_part_end": lambda: self._found.append(PartEnds()),
                "on_end": self._end,
            },
            max_header_count=MOST_HEADERS,
        )

    def take(self) -> BodyEvent | None:
        """What was found and not taken yet, in order; None: more bytes are needed."""
        return self._found.popleft() if self._found else None

    def feed(self, data: bytes) -> None:
        """Parse what has arrived. Raises ValueError where it is no multipart body."""
        if self._preamble is not None:
            data = self._preamble + data if self._preamble else data
            if (begins := self._first_boundary(data)) < 0:
                if len(data) > LONGEST_PREAMBLE:
                    raise ValueError("no boundary where the first part should begin")
                self._preamble = data
                return
            self._preamble, data = None, data[begins:]
        try:
            self._parser.write(data)
        except FormParserError as error:
            raise ValueError(str(error)) from error

    def _first_boundary(self, data: bytes) -> int:
        """Where it begins, at the beginning of a line; -1: it has not come."""
        at = data.find(self._delimiter)
        while at > 0 and data[at - 1] != 0x0A:
            at = data.find(self._delimiter, at + 1)
        return at

    def close(self) -> None:
        """No more arrives. Raises ValueError where the body is cut short."""
        if not self._ended:
            raise ValueError("the body ends before its last boundary")

    def _headers_begin(self) -> None:
        self._headers = {}

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_ends(self) -> None:
        name = self._name.decode("ascii").lower()
        self._headers[name] = self._value.decode("utf-8", "surrogateescape").strip()
        self._name, self._value = b"", b""

    def _headers_end(self) -> None:
        self._found.append(PartBegins(self._headers))

    def _data(self, data: bytes, start: int, end: int) -> None:
        if end > start:
            # A slice that is all of it is no copy.
            self._found.append(data[start:end])

    def _end(self) -> None:
        self._ended = True
        self._found.append(BodyEnds())
