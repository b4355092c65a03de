"""The DICOM JSON Model as pydicom gives it, and where ours differs from it.

What may differ, and why:
- group lengths (gggg,0000): retired by PS3.5 7.2, so left out;
- an empty value among several is null (PS3.18 F.2.5), where pydicom gives "";
- spaces around each value of CS mean nothing (PS3.5 6.2), where pydicom strips only the last;
- the outermost pixel data are always bulk, and bulk URIs name the way through sequences, where the handler
  that pydicom calls knows no more than the element.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from typing import Any

import pydicom


def normalised(attribute: dict[str, Any]) -> dict[str, Any]:
    """Apply the rules above to an attribute as pydicom gives it."""
    values = attribute.get("Value")
    if values is None or attribute["vr"] == "SQ":
        return attribute
    if attribute["vr"] == "CS":
        values = [value.strip() for value in values]
    return {**attribute, "Value": [None if value == "" else value for value in values]}


def differences(path: str, ours: dict[str, Any], theirs: dict[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """Compare two data sets element by element."""
    for key in sorted(ours.keys() | {key for key in theirs if not key.endswith("0000")}):
        mine, other = ours.get(key), theirs.get(key)
        if mine is None or other is None:
            yield path + key, mine, other
        elif mine["vr"] == other["vr"] == "SQ":
            mine_items, other_items = mine.get("Value", []), other.get("Value", [])
            assert len(mine_items) == len(other_items)
            for number, (one, two) in enumerate(zip(mine_items, other_items, strict=True), 1):
                yield from differences(f"{path}{key}/{number}/", one, two)
        elif "BulkDataURI" in mine:
            long_or_pixels = "BulkDataURI" in other or path + key == "7FE00010"
            if mine != {"vr": other["vr"], "BulkDataURI": f"bulkdata/{path}{key}"} or not long_or_pixels:
                yield path + key, mine, other
        elif mine != normalised(other):
            yield path + key, mine, other


def pydicom_json(data: bytes) -> dict[str, Any]:
    # The threshold is of the base64 text; the value that this gives is bulk beyond 1024 bytes.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found: dict[str, Any] = pydicom.dcmread(io.BytesIO(data)).to_json_dict(
            bulk_data_threshold=1368, bulk_data_element_handler=lambda element: "bulk"
        )
    return found
