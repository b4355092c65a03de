"""Encapsulated pixel data (PS3.5 A.4): walking its item headers without reading a fragment."""

from __future__ import annotations

from array import array

from libs.dicom.faults import DicomFault
from libs.dicom.parse.limits import Budget
from libs.dicom.parse.source import Source, truncated
from libs.dicom.parse.syntax import ITEM, SEQUENCE_END, UNDEFINED, Syntax

MOST_ITEMS = (1 << 20) + 1
"""The offset table and as many fragments as an object may have frames; a byte or ten each in the trailer."""

_TIME_CHECK_EVERY = 64


def skip_fragments(source: Source, syntax: Syntax, budget: Budget) -> array[int]:
    """Pass over the offset table, all fragments and the delimiter; give the lengths of these items.

    Raises DicomFault when one is not there. They do not count as elements, since a whole slide image may have
    more of them than any header has; MOST_ITEMS and the deadline hold.
    """
    lengths = array("I")
    while True:
        head = source.peek(8)
        if len(head) < 8:
            raise truncated("its pixel data")
        group, element, size = syntax.implicit_head.unpack(head)
        source.skip(8)
        tag = group << 16 | element
        if tag == SEQUENCE_END:
            return lengths
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
        lengths.append(size)
        if len(lengths) > MOST_ITEMS:
            raise DicomFault(
                "too-many-fragments",
                f"The pixel data have more than {MOST_ITEMS - 1} fragments. "
                "Split the object into smaller ones.",
            )
        if len(lengths) % _TIME_CHECK_EVERY == 0:
            budget.time()
