"""What a client takes, as its Accept header says it (RFC 9110 12.5.1, PS3.18 8.7.5); pure.

Clients quote values or not, and repeat the header; a weight of zero refuses.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

MOST_CHARACTERS = 4096
"""Of all that one request says it takes; what is beyond is not read."""
MOST_RANGES = 64

_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_TYPE = re.compile(rf"\s*({_NAME})/({_NAME})")
# Media types as values come without quotes, too: type=application/dicom.
_PARAMETER = re.compile(rf'\s*;\s*(?:({_NAME})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;,"]*)))?')
_END = re.compile(r'(?:[^",]|"(?:[^"\\]|\\.)*")*(?:,|$)')


class MediaRange(NamedTuple):
    """One thing that is taken; `type` in lower case, `parameters` by names in lower case, without `q`."""

    type: str
    parameters: Mapping[str, str]
    weight: float = 1.0

    @property
    def part(self) -> str:
        """The type of the parts of a multipart answer, in lower case; `*/*` where nothing is said of it."""
        return self.parameters.get("type", "*/*").lower()

    @property
    def transfer_syntax(self) -> str | None:
        """The transfer syntax that is asked for, `*` for any; None where it is left to the default."""
        return self.parameters.get("transfer-syntax")

    def takes(self, media_type: str) -> bool:
        """Whether `media_type` falls under it, whatever the parameters."""
        return covers(self.type, media_type)


def covers(pattern: str, media_type: str) -> bool:
    """Whether `image/*` or `*/*` or the very type takes `media_type`."""
    return pattern in ("*/*", media_type, f"{media_type.partition('/')[0]}/*")


def parse_accept(headers: Iterable[str]) -> list[MediaRange]:
    """What is taken, the best first and what weighs the same in the order given.

    Without a header anything; what cannot be read counts for nothing.
    """
    text = ",".join(headers)[:MOST_CHARACTERS]
    if not text.strip(" ,\t"):
        return [MediaRange("*/*", {})]
    found: list[MediaRange] = []
    at = 0
    while at < len(text) and len(found) < MOST_RANGES:
        if (kind := _TYPE.match(text, at)) is not None:
            at, parameters = _parameters(text, kind.end())
            weight = _weight(parameters.pop("q", "1"))
            if weight > 0:
                found.append(MediaRange(f"{kind[1]}/{kind[2]}".lower(), parameters, weight))
        end = _END.match(text, at)
        at = len(text) if end is None else max(end.end(), at + 1)
    return sorted(found, key=lambda one: -one.weight)


def _parameters(text: str, at: int) -> tuple[int, dict[str, str]]:
    found: dict[str, str] = {}
    while (match := _PARAMETER.match(text, at)) is not None:
        at = match.end()
        name, quoted, bare = match.groups()
        if name is not None:
            value = bare if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
            found.setdefault(name.lower(), value.strip())
    return at, found


def _weight(text: str) -> float:
    try:
        weight = float(text)
    except ValueError:
        return 0.0
    return weight if 0 <= weight <= 1 else 0.0
