"""Reads the Native DICOM Model back, as a client would: with a parser that nobody here wrote."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

NATIVE = "{http://dicom.nema.org/PS3.19/models/NativeDICOM}"
PARTS = ("FamilyName", "GivenName", "MiddleName", "NamePrefix", "NameSuffix")


def read_native(document: bytes) -> dict[str, Any]:
    """Attributes by tag and private creator as the DICOM JSON Model has them, every plain value as text."""
    root = ElementTree.fromstring(document)
    assert root.tag == f"{NATIVE}NativeDicomModel"
    return _attributes(root)


def _attributes(parent: Element) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for attribute in parent:
        assert attribute.tag == f"{NATIVE}DicomAttribute"
        entry: dict[str, Any] = {"vr": attribute.attrib["vr"]}
        for name in ("keyword", "privateCreator"):
            if name in attribute.attrib:
                entry[name] = attribute.attrib[name]
        values = [_value(child, number) for number, child in enumerate(attribute, 1)]
        if values and isinstance(values[0], tuple):
            entry[values[0][0]] = values[0][1]
        elif values:
            entry["Value"] = values
        name = attribute.attrib["tag"] + attribute.attrib.get("privateCreator", "")
        assert name not in found
        found[name] = entry
    return found


def _value(child: Element, number: int) -> Any:
    name = child.tag.removeprefix(NATIVE)
    if name == "BulkData":
        return "BulkDataURI", child.attrib["uri"]
    if name == "InlineBinary":
        return "InlineBinary", child.text
    assert child.attrib["number"] == str(number)
    if name == "Item":
        return _attributes(child)
    if name == "PersonName":
        return {group.tag.removeprefix(NATIVE): _name(group) for group in child} or None
    assert name == "Value"
    return child.text


def _name(group: Element) -> str:
    parts = {part.tag.removeprefix(NATIVE): part.text or "" for part in group}
    assert set(parts) <= set(PARTS)
    return "^".join(parts.get(part, "") for part in PARTS).rstrip("^")
