"""Where pixels and bulk values lie in a file, found by its one reading and sealed for all who come after.

Offsets count bytes from the start of the file. In Deflated (PS3.5 A.5) they count from the start of the file
as it would be inflated: what stands before the data set as it stands, then the inflated data set.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from libs.dicom.parse.dicomjson import JsonObject
from libs.dicom.parse.syntax import Syntax

Bulk = Mapping[str, tuple[int, int, str]]
"""BulkDataURI -> offset, length in bytes and VR of its value, which is in the byte order of the file.

The length of an encapsulated value counts its items with their heads, without the delimiter. Every entry is
an element and its URI counts as header bytes, so `HeaderLimits` bounds the table.
"""


@dataclass(frozen=True, slots=True)
class PixelPlace:
    """The pixel data element of an object.

    `syntax` is the data set's as its first element shows it, whatever the transfer syntax says.
    `fragments` are the lengths of the items of encapsulated pixel data, the Basic Offset Table first (PS3.5
    A.4), at most `fragments.MOST_ITEMS`; item i's value starts at offset + 8·(i + 1) + the lengths before it.
    """

    transfer_syntax_uid: str
    syntax: Syntax
    tag: int
    vr: str
    offset: int
    length: int | None
    """None when undefined: encapsulated."""
    fragments: Sequence[int] | None = None

    @property
    def empty(self) -> bool:
        """Whether it is a native value of no byte; encapsulated pixel data without a fragment are refused."""
        return self.length == 0

    def to_json(self) -> JsonObject:
        """Give it as the sealed trailer holds it."""
        place: JsonObject = {
            "syntax": {
                "uid": self.transfer_syntax_uid,
                "implicit": self.syntax.implicit,
                "little": self.syntax.little,
            },
            "tag": f"{self.tag:08X}",
            "vr": self.vr,
            "offset": self.offset,
            "length": self.length,
        }
        if self.fragments is not None:
            place["fragments"] = list(self.fragments)
        return place

    @classmethod
    def from_json(cls, place: Mapping[str, Any]) -> PixelPlace:
        """Read what `to_json` gave."""
        syntax = place["syntax"]
        return cls(
            transfer_syntax_uid=syntax["uid"],
            syntax=Syntax(implicit=syntax["implicit"], little=syntax["little"]),
            tag=int(place["tag"], 16),
            vr=place["vr"],
            offset=place["offset"],
            length=place["length"],
            fragments=place.get("fragments"),
        )


def bulk_uris(data_set: JsonObject) -> set[str]:
    """Collect the BulkDataURIs of a data set in the DICOM JSON Model, at any depth."""
    found: set[str] = set()
    waiting = [data_set]
    while waiting:
        for attribute in waiting.pop().values():
            if "BulkDataURI" in attribute:
                found.add(attribute["BulkDataURI"])
            elif attribute["vr"] == "SQ":
                waiting += attribute.get("Value", ())
    return found
