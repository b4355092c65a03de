"""Sequences and their items, opened one after the other on the reader's stack of levels (PS3.5 7.5).

Where lengths contradict each other the outer one holds, since it is what finds the next element; only what
passes the end of the file makes the file faulty.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from libs.dicom.faults import DicomFault
from libs.dicom.parse import dicomjson
from libs.dicom.parse.charset import Encodings
from libs.dicom.parse.dicomjson import JsonObject
from libs.dicom.parse.elements import Head
from libs.dicom.parse.limits import Budget
from libs.dicom.parse.notes import Notes
from libs.dicom.parse.source import Source, truncated
from libs.dicom.parse.syntax import ITEM, ITEM_END, SEQUENCE_END, UNDEFINED, Syntax


@dataclass(slots=True)
class Item:
    """An open data set: the outermost one or a sequence item."""

    elements: JsonObject
    syntax: Syntax
    end: int
    undefined: bool
    encodings: Encodings
    path: str
    """What the URIs of its bulk data begin with."""
    parent: Item | None
    last_tag: int = -1


@dataclass(frozen=True, slots=True)
class Sequence:
    """An open sequence of `owner`; its attribute gets a `Value` with the first item."""

    attribute: JsonObject
    syntax: Syntax
    end: int
    undefined: bool
    path: str
    owner: Item


class SequenceReader:
    """Opens sequences and items, and passes what stands between items."""

    def __init__(
        self, source: Source, budget: Budget, notes: Notes, bulk: Callable[[Item, int, str, int, int], None]
    ) -> None:
        """`bulk` puts a value into an item that is not read: its tag, VR, offset and length."""
        self._source = source
        self._budget = budget
        self._notes = notes
        self._bulk = bulk

    def open(self, item: Item, head: Head) -> Sequence | None:
        """Open a sequence, or give None for an empty one or one that holds no items."""
        tag, _, length, syntax = head
        key = dicomjson.key(tag)
        attribute = dicomjson.attribute("SQ", [])
        item.elements[key] = attribute
        if not length:
            return None
        path = f"{item.path}{key}/"
        if length == UNDEFINED:
            return Sequence(attribute, syntax, item.end, True, path, item)
        if self._source.peek(4) != syntax.item_tag:
            self._notes.element(tag, "holds no sequence items and is kept as bulk data")
            self._bulk(item, tag, "UN", self._source.position, length)
            self._source.skip(length)
            return None
        return Sequence(attribute, syntax, self._source.position + length, False, path, item)

    def next_item(self, sequence: Sequence) -> Item | None:
        """Open the next item, or give None at the end of the sequence."""
        source = self._source
        while True:
            left = sequence.end - source.position
            start = source.peek(8)
            if left < 8 or len(start) < 8:
                if len(start) < 8 and (sequence.undefined or left >= 8):
                    raise truncated("a sequence")
                source.skip(min(len(start), max(left, 0)))
                return None
            group, element, length = sequence.syntax.implicit_head.unpack(start)
            tag = group << 16 | element
            if tag not in (ITEM, ITEM_END, SEQUENCE_END):
                self._no_item(sequence, left)
                return None
            source.skip(8)
            self._budget.element()
            if tag == ITEM:
                return self._item(sequence, length)
            if tag == SEQUENCE_END and sequence.undefined:
                return None
            self._notes.add("a delimiter that ends nothing is ignored")

    def _item(self, sequence: Sequence, length: int) -> Item:
        """Open the item whose head was just taken."""
        end = sequence.end
        undefined = length == UNDEFINED
        if not undefined:
            remaining = self._source.remaining
            if remaining is not None and length > remaining:
                raise truncated("a sequence item")
            if length > end - self._source.position:
                self._notes.add("a sequence item is longer than its sequence and is cut there")
            end = min(end, self._source.position + length)
        items: list[JsonObject] = sequence.attribute.setdefault("Value", [])
        elements: JsonObject = {}
        items.append(elements)
        owner = sequence.owner
        path = f"{sequence.path}{len(items)}/"
        return Item(elements, sequence.syntax, end, undefined, owner.encodings, path, owner)

    def _no_item(self, sequence: Sequence, left: int) -> None:
        """Pass the rest of a sequence that goes on with something else than an item, if it has a length."""
        if sequence.undefined:
            raise DicomFault(
                "invalid-sequence",
                "A sequence of undefined length holds something that is no item: the file is damaged. "
                "Export it again from its source.",
            )
        self._notes.add("the rest of a sequence is no item and is left out")
        self._source.skip(left)
