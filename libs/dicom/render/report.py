"""A structured report as plain text, from its header in the DICOM JSON Model (PS3.3 C.17.3)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from libs.dicom.parse.dicomjson import JsonObject

PDF_CLASS = "1.2.840.10008.5.1.4.1.1.104.1"
"""SOP class of an encapsulated PDF (PS3.3 A.45.1)."""
REPORT_CLASSES = "1.2.840.10008.5.1.4.1.1.88."
"""What the SOP classes of reports begin with (PS3.4 B.5)."""

_CONCEPT, _TYPE, _CONTENT, _MEANING = "0040A043", "0040A040", "0040A730", "00080104"
_VALUES = {
    "TEXT": "0040A160",
    "DATE": "0040A121",
    "TIME": "0040A122",
    "DATETIME": "0040A120",
    "PNAME": "0040A123",
    "UIDREF": "0040A124",
}
_HEADING = (
    ("Patient", "00100010"),
    ("Patient ID", "00100020"),
    ("Date of birth", "00100030"),
    ("Study date", "00080020"),
    ("Accession number", "00080050"),
    ("Completion", "0040A491"),
    ("Verification", "0040A493"),
)
_LONG = "[a long text, to be had as bulk data]"
_DEEPEST = 32


def report_text(header: JsonObject) -> str:
    """The title, whom it is about, and the tree of content, a line for each item."""
    title = _meaning(header, _CONCEPT) or "Report"
    lines = [title, "=" * len(title)]
    lines += [f"{name}: {value}" for name, tag in _HEADING if (value := _first(header, tag))]
    lines.append("")
    lines += _content(header, 0)
    return "\n".join(lines) + "\n"


def _content(item: JsonObject, depth: int) -> Iterator[str]:
    if depth > _DEEPEST:
        return
    for child in item.get(_CONTENT, {}).get("Value", ()):
        name, value = _meaning(child, _CONCEPT), _value(child)
        told = ": ".join(part for part in (name, value) if part)
        if told:
            yield "  " * depth + told.replace("\r\n", "\n").replace("\n", "\n" + "  " * (depth + 1))
        yield from _content(child, depth + 1)


def _value(item: JsonObject) -> str:
    kind = _first(item, _TYPE)
    if kind in _VALUES:
        return _first(item, _VALUES[kind])
    if kind == "CODE":
        return _meaning(item, "0040A168")
    if kind == "NUM":
        return _number(item)
    if kind in ("IMAGE", "COMPOSITE", "WAVEFORM"):
        for reference in item.get("00081199", {}).get("Value", ()):
            return f"{kind.lower()} {_first(reference, '00081155')}"
    if kind in ("SCOORD", "SCOORD3D", "TCOORD"):
        shape = _first(item, "00700023") or _first(item, "0040A130")
        return f"{shape.lower()} {', '.join(map(str, item.get('00700022', {}).get('Value', ())))}".strip()
    return ""


def _number(item: JsonObject) -> str:
    for measured in item.get("0040A300", {}).get("Value", ()):
        unit = _unit(measured)
        return " ".join(part for part in (_first(measured, "0040A30A"), unit) if part)
    return _meaning(item, "0040A301")


def _unit(measured: JsonObject) -> str:
    for unit in measured.get("004008EA", {}).get("Value", ()):
        code = _first(unit, "00080100")
        return "" if code == "1" else code or _first(unit, _MEANING)
    return ""


def _meaning(item: JsonObject, tag: str) -> str:
    for code in item.get(tag, {}).get("Value", ()):
        return _first(code, _MEANING)
    return ""


def _first(item: JsonObject, tag: str) -> str:
    attribute = item.get(tag, {})
    if "BulkDataURI" in attribute:
        return _LONG
    values: list[Any] = attribute.get("Value", [])
    value = values[0] if values else None
    if isinstance(value, dict):
        return str(value.get("Alphabetic") or value.get("Ideographic") or "")
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return "" if value is None else str(value)
