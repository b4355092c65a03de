"""Element heads: tag, value representation and length of what comes next (PS3.5 7.1)."""

from __future__ import annotations

from libs.dicom.parse import vr
from libs.dicom.parse.dicomjson import JsonObject, text
from libs.dicom.parse.notes import Notes
from libs.dicom.parse.source import Source
from libs.dicom.parse.syntax import IMPLICIT_LITTLE, UNDEFINED, Syntax
from libs.dicom.parse.vr import VR

Head = tuple[int, VR, int, Syntax]
"""Tag, VR, length (perhaps UNDEFINED), and the syntax of the value.

That is another than the data set's for a sequence with VR UN, which is implicit in any (PS3.5 6.2.2).
"""


def take_head(source: Source, syntax: Syntax, data_set: JsonObject, notes: Notes) -> Head:
    """Take the head of the next element, at least 8 bytes of which are there; no item and no delimiter.

    `data_set` holds what came before, private creators among it.
    """
    head = source.take(8)
    if not syntax.implicit:
        group, element, code, length = syntax.explicit_head.unpack(head)
        tag = group << 16 | element
        found = vr.EXPLICIT.get(code)
        if found is None and vr.is_code(code):
            # VRs of a later standard are long form, all of them.
            notes.element(tag, "an unknown value representation is read as UN")
            found = vr.UN
        if found is not None:
            if found.long_form:
                (length,) = syntax.long_length.unpack(source.take(4))
                if found is vr.UN:
                    return _unknown(tag, length, syntax, data_set)
                if length == UNDEFINED:
                    found = _undefined(tag, found, notes)
            return tag, found, length, syntax
        notes.element(tag, "has no value representation and is read as implicit VR")
    group, element, length = syntax.implicit_head.unpack(head)
    tag = group << 16 | element
    found = vr.dictionary_vr(tag, _private_creator(tag, data_set))
    return tag, _undefined(tag, found, notes) if length == UNDEFINED else found, length, syntax


def _unknown(tag: int, length: int, syntax: Syntax, data_set: JsonObject) -> Head:
    """UN in explicit VR: read as what the dictionary knows, since some archive did not know the tag."""
    if length == UNDEFINED:
        return tag, vr.SQ, length, IMPLICIT_LITTLE
    found = vr.dictionary_vr(tag, _private_creator(tag, data_set)) if syntax.little else vr.UN
    return tag, found, length, IMPLICIT_LITTLE if found is vr.SQ else syntax


def _undefined(tag: int, found: VR, notes: Notes) -> VR:
    """Only sequences and encapsulated pixels have undefined length; UN is a sequence then (PS3.5 6.2.2)."""
    if found is vr.SQ or (found.kind == "binary" and found is not vr.UN):
        return found
    if found is not vr.UN:
        notes.element(tag, "has undefined length and is read as a sequence")
    return vr.SQ


def _private_creator(tag: int, data_set: JsonObject) -> str | None:
    """Creator that reserved the block of a private tag: (gggg,00bb) for (gggg,bbxx) (PS3.5 7.8.1)."""
    if not tag >> 16 & 1:
        return None
    return text(data_set, f"{tag >> 16:04X}00{tag >> 8 & 0xFF:02X}")
