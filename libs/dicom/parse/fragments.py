"""Encapsulated pixel data (PS3.5 A.4): walking its item headers without reading a fragment."""

from __future__ import annotations

from dataclasses import dataclass

from libs.dicom.faults import DicomFault
from libs.dicom.parse.limits import Budget
from libs.dicom.parse.source import Source, truncated
from libs.dicom.parse.syntax import ITEM, SEQUENCE_END, UNDEFINED, Syntax

_TIME_CHECK_EVERY = 64


@dataclass(frozen=True, slots=True)
class PixelValue:
    """The extent of one pixel data element: bytes of a native value, or bytes and number of fragments."""

    length: int
    fragments: int | None = None
    """None for a native value; the basic offset table does not count."""


def skip_fragments(source: Source, syntax: Syntax, budget: Budget) -> PixelValue:
    """Pass over the offset table, all fragments and the delimiter; raises DicomFault when one is not there.

    Fragments do not count as elements, since a whole slide image may have more of them than any header; the
    deadline holds.
    """
    count = length = 0
    while True:
        head = source.peek(8)
        if len(head) < 8:
            raise truncated("its pixel data")
        group, element, size = syntax.implicit_head.unpack(head)
        source.skip(8)
        tag = group << 16 | element
        if tag == SEQUENCE_END:
            return PixelValue(length, max(count - 1, 0))
        if tag != ITEM or size == UNDEFINED:
            raise DicomFault(
                "invalid-fragment",
                "The encapsulated pixel data are not a sequence of fragments: the file is damaged. "
                "Export it again from its source.",
            )
        remaining = source.remaining
        if remaining is not None and size > remaining:
            raise truncated("its pixel data")
        source.skip(size)
        if count:
            length += size
        count += 1
        if count % _TIME_CHECK_EVERY == 0:
            budget.time()
