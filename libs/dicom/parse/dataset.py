"""The data set in one pass, without recursion, straight into the DICOM JSON Model.

Sequences nest on an explicit stack of open levels: an `Item` is a data set (the outermost one too), a
`Sequence` expects items.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace

from libs.dicom.faults import DicomFault
from libs.dicom.parse import dicomjson, vr
from libs.dicom.parse.charset import DEFAULT, encodings_of
from libs.dicom.parse.dicomjson import JsonObject
from libs.dicom.parse.elements import Head, take_head
from libs.dicom.parse.fragments import skip_fragments
from libs.dicom.parse.layout import PixelPlace, bulk_uris
from libs.dicom.parse.limits import Budget
from libs.dicom.parse.notes import Notes, label
from libs.dicom.parse.sequences import Item, Sequence, SequenceReader
from libs.dicom.parse.source import Source, truncated
from libs.dicom.parse.syntax import (
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    ITEM,
    ITEM_END,
    ITEM_HEAD,
    SEQUENCE_END,
    UNDEFINED,
    Syntax,
)
from libs.dicom.parse.values import READERS

PIXEL_TAGS = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})
"""Float, double float and integer pixel data."""

_CHARACTER_SET = 0x00080005
_PIXEL_REPRESENTATION = "00280103"
_NO_END = sys.maxsize
_ZERO = bytes(8)
_HARMLESS = b"\0 \r\n"


@dataclass(frozen=True, slots=True)
class _Unsettled:
    """A value that is signed or not as Pixel Representation says, which may come after it."""

    attribute: JsonObject
    raw: bytes
    item: Item
    tag: int


class DataSetReader:
    """Reads one data set to its end; used once."""

    def __init__(
        self, source: Source, transfer_syntax_uid: str, syntax: Syntax, budget: Budget, notes: Notes
    ) -> None:
        self.pixels: dict[int, PixelPlace] = {}
        """Pixel data elements of the outermost data set, by tag."""
        self.bulk: dict[str, tuple[int, int, str]] = {}
        """`layout.Bulk` of the whole data set."""
        self._source = source
        self._transfer_syntax_uid = transfer_syntax_uid
        self._syntax = syntax
        self._budget = budget
        self._notes = notes
        self._sequences = SequenceReader(source, budget, notes, self._bulk)
        self._unsettled: list[_Unsettled] = []
        self._twice = False
        self._tag = 0

    def read(self) -> JsonObject:
        """Give the data set in the DICOM JSON Model; raises DicomFault."""
        root = self._root()
        levels: list[Item | Sequence] = [root]
        while levels:
            top = levels[-1]
            opened = self._sequences.next_item(top) if isinstance(top, Sequence) else self._elements(top)
            if opened is None:
                levels.pop()
                continue
            levels.append(opened)
            self._budget.depth(len(levels) // 2)
        for one in self._unsettled:
            self._settle(one)
        if self._twice:
            used = bulk_uris(root.elements)
            self.bulk = {uri: place for uri, place in self.bulk.items() if uri in used}
        return root.elements

    def _root(self) -> Item:
        """Open the outermost data set."""
        remaining = self._source.remaining
        end = _NO_END if remaining is None else self._source.position + remaining
        return Item({}, self._found_syntax(), end, False, DEFAULT, "bulkdata/", None)

    def _found_syntax(self) -> Syntax:
        """Believe the first element, rather than the transfer syntax, about explicit and implicit VR."""
        code = self._source.peek(6)[4:]
        if len(code) < 2 or not self._syntax.little:
            return self._syntax
        if self._syntax.implicit and code in vr.EXPLICIT:
            self._notes.add("the data set is in explicit VR, which is not what its transfer syntax says")
            return EXPLICIT_LITTLE
        if not self._syntax.implicit and not vr.is_code(code):
            self._notes.add("the data set is in implicit VR, which is not what its transfer syntax says")
            return IMPLICIT_LITTLE
        return self._syntax

    def _elements(self, item: Item) -> Sequence | None:
        """Read elements until one opens a sequence, or give None at the end of the item."""
        source = self._source
        while True:
            start = source.peek(8)
            if len(start) < 8 or item.end - source.position < 8:
                self._end_of_item(item)
                return None
            if start[:2] == item.syntax.delimiter_group:
                if self._delimited(item, start):
                    return None
                continue
            if start == _ZERO and item.parent is None:
                self._zero_padding()
                return None
            opened = self._element(item, take_head(source, item.syntax, item.elements, self._notes))
            if opened is not None:
                return opened

    def _element(self, item: Item, head: Head) -> Sequence | None:
        """Put one element into the item; give the sequence that it opens."""
        tag, value_vr, length, syntax = head
        key = dicomjson.key(tag)
        if tag <= item.last_tag:
            twice = key in item.elements
            self._twice |= twice
            self._notes.add(
                "an element comes twice; the last one counts" if twice else "elements are out of order"
            )
        item.last_tag = tag
        if value_vr is vr.SQ or length == UNDEFINED or length > item.end - self._source.position:
            return self._special(item, head)
        if tag in PIXEL_TAGS and item.parent is None:
            self.pixels[tag] = self._pixel_place(item, tag, value_vr.code, length)
            kept = 0
        else:
            kept = value_vr.kept
        if tag & 0xFFFF == 0 or tag <= 0xFFFF:
            self._source.skip(length)  # group lengths (PS3.5 7.2) and command elements are not the object's
        elif length > kept:
            start = self._source.position
            self._source.skip(length)
            self._bulk(item, tag, value_vr.code, start, length)
        else:
            item.elements[key] = self._attribute(item, tag, value_vr, self._source.take(length), syntax)
            return None
        self._budget.element()
        return None

    def _pixel_place(self, item: Item, tag: int, code: str, length: int | None) -> PixelPlace:
        """Give the place of the pixel data whose value comes next."""
        place = self._source.position
        return PixelPlace(self._transfer_syntax_uid, item.syntax, tag, code, place, length)

    def _bulk(self, item: Item, tag: int, code: str, start: int, length: int) -> None:
        """Put a value that is not read into the item."""
        key = dicomjson.key(tag)
        uri = item.path + key
        item.elements[key] = dicomjson.bulk(code, uri)
        self.bulk[uri] = (start, length, code)
        self._budget.size(len(uri))

    def _attribute(self, item: Item, tag: int, value_vr: vr.VR, raw: bytes, syntax: Syntax) -> JsonObject:
        """Decode a value."""
        read = value_vr.read
        if read is None:
            self._budget.element(len(raw), len(raw) // 2)
            if value_vr is not vr.US_OR_SS:
                return dicomjson.inline(value_vr.code, raw, syntax.little)
            attribute = dicomjson.attribute("US", [])
            self._unsettled.append(_Unsettled(attribute, raw, item, tag))
            return attribute
        self._tag = tag
        values = read(raw, syntax.little, item.encodings, self._note)
        self._budget.element(len(raw), len(values))
        if tag == _CHARACTER_SET:
            item.encodings = encodings_of(values, self._note)
        return dicomjson.attribute(value_vr.code, values)

    def _note(self, text: str) -> None:
        """Note something about the element being decoded."""
        self._notes.element(self._tag, text)

    def _special(self, item: Item, head: Head) -> Sequence | None:
        """Deal with an element that is a sequence, encapsulated or too long for what holds it."""
        tag, value_vr, length, syntax = head
        self._budget.element()
        if length != UNDEFINED and length > item.end - self._source.position:
            self._overlong(item, tag, length)
            return None
        if value_vr is vr.SQ:
            return self._sequences.open(item, head)
        # Encapsulated pixels are bytes (PS3.5 A.4), not the words that the dictionary was taken to mean.
        code = "OB" if syntax.implicit else value_vr.code
        place = self._pixel_place(item, tag, code, None)
        fragments = skip_fragments(self._source, syntax, self._budget)
        if tag in PIXEL_TAGS and item.parent is None:
            self.pixels[tag] = replace(place, fragments=fragments)
        self._bulk(item, tag, code, place.offset, self._source.position - ITEM_HEAD - place.offset)
        return None

    def _settle(self, one: _Unsettled) -> None:
        """Decide on US or SS by the nearest Pixel Representation outwards (PS3.3 C.7.6.3.1)."""
        item: Item | None = one.item
        while item is not None and _PIXEL_REPRESENTATION not in item.elements:
            item = item.parent
        signed = item is not None and dicomjson.integer(item.elements, _PIXEL_REPRESENTATION) == 1
        code = "SS" if signed else "US"
        self._tag = one.tag
        values = READERS[code](one.raw, True, DEFAULT, self._note)
        one.attribute.update(dicomjson.attribute(code, values))

    def _overlong(self, item: Item, tag: int, length: int) -> None:
        """Deal with a value that is longer than what holds it."""
        remaining = self._source.remaining
        if remaining is not None and length > remaining:
            if tag in PIXEL_TAGS:
                raise truncated("its pixel data")
            raise DicomFault(
                "length-beyond-file",
                f"The value of {label(tag)} is said to be {length} bytes long, but the file has only "
                f"{remaining} more: it was cut off or is damaged. Send it again from its source.",
            )
        self._notes.element(tag, "is longer than the sequence item that holds it and is left out")
        self._source.skip(max(item.end - self._source.position, 0))

    def _delimited(self, item: Item, start: bytes) -> bool:
        """Handle an item or delimiter tag inside a data set; tell whether it ends this item."""
        group, element, _ = item.syntax.implicit_head.unpack(start)
        tag = group << 16 | element
        if item.undefined and tag in (ITEM, SEQUENCE_END):
            self._notes.add("a sequence item has no delimiter of its own")
            return True
        self._source.skip(8)
        if item.undefined and tag == ITEM_END:
            return True
        if tag not in (ITEM_END, SEQUENCE_END):
            raise DicomFault(
                "invalid-element",
                "The data set has a sequence item outside any sequence: the file is damaged. "
                "Export it again from its source.",
            )
        self._budget.element()
        self._notes.add("a delimiter that ends nothing is ignored")
        return False

    def _end_of_item(self, item: Item) -> None:
        """Close an item in which no further element has room."""
        left = item.end - self._source.position
        rest = len(self._source.peek(8))
        cut_off = rest < 8 <= left if item.end != _NO_END else rest < 8 and item.parent is not None
        if cut_off or (rest < 8 and item.undefined):
            raise truncated("a data set")
        rest = min(rest, left)
        if rest > 0:
            if item.parent is None and not self.pixels and self._source.peek(rest).strip(_HARMLESS):
                raise truncated("an element")
            self._notes.add("bytes after the last element of a data set are ignored")
            self._source.skip(rest)

    def _zero_padding(self) -> None:
        """Pass zero bytes at the end of the file, which some writers add; anything else there is damage."""
        self._notes.add("zero bytes after the data set are ignored")
        while piece := self._source.peek(4096):
            if any(piece):
                raise DicomFault(
                    "invalid-element",
                    "A stretch of zero bytes lies in the middle of the data set: the file is damaged. "
                    "Send it again from its source.",
                )
            self._budget.element(len(piece))
            self._source.skip(len(piece))
