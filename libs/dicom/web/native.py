"""The Native DICOM Model: a data set in the DICOM JSON Model as XML (PS3.19 A.1, PS3.18 8.7.3.2)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydicom.datadict import keyword_for_tag

NAMESPACE = "http://dicom.nema.org/PS3.19/models/NativeDICOM"
_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")
_COMPONENTS = ("FamilyName", "GivenName", "MiddleName", "NamePrefix", "NameSuffix")
_FORBIDDEN = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What no XML 1.0 document may hold, not even escaped; a form feed or an escape of DICOM's text is one."""
# A carriage return that is not escaped is read back as a line feed (XML 1.0 2.11).
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\r": "&#13;"})


def native_model(data_set: Mapping[str, Any]) -> Iterator[str]:
    """Give the document piece by piece; `data_set` is what `libs.dicom.parse` makes of a header, or like it.

    A BulkDataURI is written as it stands: make it absolute before.
    """
    yield '<?xml version="1.0" encoding="UTF-8"?>\n'
    yield f'<NativeDicomModel xmlns="{NAMESPACE}" xml:space="preserve">'
    yield from _attributes(data_set)
    yield "</NativeDicomModel>"


def native_document(data_set: Mapping[str, Any]) -> bytes:
    """The whole document, for data sets that are small."""
    return "".join(native_model(data_set)).encode()


def _attributes(data_set: Mapping[str, Any]) -> Iterator[str]:
    told = {_block(tag) for tag in data_set if _creator(tag, data_set) is not None}
    for tag in sorted(data_set):
        if tag in told:
            continue  # a private creator: each of its elements names it
        attribute = data_set[tag]
        vr = attribute["vr"]
        opening = f'<DicomAttribute {_named(tag, data_set)} vr="{_escaped(vr)}"'
        content = False
        for piece in _content(vr, attribute):
            if not content:
                content = True
                yield f"{opening}>"
            yield piece
        yield "</DicomAttribute>" if content else f"{opening}/>"


def _named(tag: str, data_set: Mapping[str, Any]) -> str:
    """Tag, and keyword or private creator; a private tag stands without its block's number (PS3.19 A.1.5)."""
    if (creator := _creator(tag, data_set)) is not None:
        return f'tag="{tag[:4]}00{tag[6:]}" privateCreator="{_escaped(creator)}"'
    keyword = "" if int(tag[3], 16) % 2 else keyword_for_tag(int(tag, 16))
    return f'tag="{tag}"' + (f' keyword="{keyword}"' if keyword else "")


def _block(tag: str) -> str:
    """The tag of the element that reserves a private tag's block (PS3.5 7.8.1)."""
    return f"{tag[:4]}00{tag[4:6]}"


def _creator(tag: str, data_set: Mapping[str, Any]) -> str | None:
    """Who has reserved the block of a private tag, where that is said."""
    if int(tag[3], 16) % 2 == 0 or tag[4:6] < "10":
        return None
    creator = next(iter(data_set.get(_block(tag), {}).get("Value", ())), None)
    return creator if isinstance(creator, str) else None


def _content(vr: str, attribute: Mapping[str, Any]) -> Iterator[str]:
    if (uri := attribute.get("BulkDataURI")) is not None:
        yield f'<BulkData uri="{_escaped(uri)}"/>'
    elif (binary := attribute.get("InlineBinary")) is not None:
        yield f"<InlineBinary>{_escaped(binary)}</InlineBinary>"
    else:
        for number, value in enumerate(attribute.get("Value", ()), 1):
            yield from _value(vr, number, value)


def _value(vr: str, number: int, value: Any) -> Iterator[str]:
    if vr == "SQ":
        yield f'<Item number="{number}">'
        yield from _attributes(value or {})
        yield "</Item>"
    elif vr == "PN":
        yield f'<PersonName number="{number}">'
        for group in _GROUPS:
            if text := (value or {}).get(group):
                yield f"<{group}>{_components(text)}</{group}>"
        yield "</PersonName>"
    else:
        yield f'<Value number="{number}">{_text(value)}</Value>'


def _components(name: str) -> str:
    """The components of one group that are not empty; what follows the fifth stays with it."""
    parts = zip(_COMPONENTS, name.split("^", len(_COMPONENTS) - 1), strict=False)
    return "".join(f"<{tag}>{_escaped(part)}</{tag}>" for tag, part in parts if part)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        # A decimal string of 16 characters has no room for more than it said (PS3.5 6.2).
        return str(int(value))
    return _escaped(str(value))


def _escaped(text: str) -> str:
    return _FORBIDDEN.sub("\ufffd", text).translate(_ESCAPES)
