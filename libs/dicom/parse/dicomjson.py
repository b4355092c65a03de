"""The DICOM JSON Model (PS3.18 annex F): building its attributes and reading a few back."""

from __future__ import annotations

import base64
from array import array
from functools import lru_cache
from typing import Any

from libs.dicom.parse.eventtext import event_text

JsonObject = dict[str, Any]

_WORDS = {
    **dict.fromkeys(("AT", "OW", "SS", "US"), "H"),
    **dict.fromkeys(("FL", "OF", "OL", "SL", "UL"), "I"),
    **dict.fromkeys(("FD", "OD", "OV", "SV", "UV"), "Q"),
}
"""`array` type codes of VRs that are made of words."""

_MANUFACTURER = "00080070"
_MODEL_NAME = "00081090"
_STATION_NAME = "00081010"


@lru_cache(maxsize=8192)
def key(tag: int) -> str:
    """Name a tag as the JSON model does, eight hexadecimal digits; many elements share one string so."""
    return f"{tag:08X}"


def attribute(vr: str, values: list[Any]) -> JsonObject:
    """Give an attribute; one that is empty, or holds one empty value, has no `Value` (PS3.18 F.2.5)."""
    return {"vr": vr, "Value": values} if values and values != [None] else {"vr": vr}


def inline(vr: str, raw: bytes, little: bool) -> JsonObject:
    """Give a short binary attribute; words are in little endian order whatever the file's is."""
    if not raw:
        return {"vr": vr}
    raw = raw if little else little_endian(vr, raw)
    return {"vr": vr, "InlineBinary": base64.b64encode(raw).decode("ascii")}


def little_endian(vr: str, raw: bytes) -> bytes:
    """Swap the bytes of each word of a big endian value; a part of a word at its end is left out."""
    if vr not in _WORDS:
        return raw
    words = array(_WORDS[vr])
    words.frombytes(raw[: len(raw) - len(raw) % words.itemsize])
    words.byteswap()
    return words.tobytes()


def bulk(vr: str, uri: str) -> JsonObject:
    """Give an attribute whose value is fetched apart; `uri` is relative to the instance."""
    return {"vr": vr, "BulkDataURI": uri}


def text(data_set: JsonObject, tag: str) -> str | None:
    """First value of a text attribute, None when absent or empty."""
    value = _first(data_set, tag)
    return value.strip() or None if isinstance(value, str) else None


def integer(data_set: JsonObject, tag: str) -> int | None:
    """First value of a numeric attribute when it is a whole number, else None."""
    value = _first(data_set, tag)
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    return value if isinstance(value, int) else None


def _first(data_set: JsonObject, tag: str) -> Any:
    values = data_set.get(tag, {}).get("Value")
    return values[0] if values else None


def device_name(dicom_json: JsonObject) -> str:
    """Name the device, fit for an event: Manufacturer and model name, else StationName, else "unknown"."""
    manufacturer, model, station = (
        event_text(text(dicom_json, tag) or "") for tag in (_MANUFACTURER, _MODEL_NAME, _STATION_NAME)
    )
    return event_text(f"{manufacturer} {model}") or station or "unknown"
