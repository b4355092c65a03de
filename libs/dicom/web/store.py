"""The answer of a Store transaction: the Store Instances Response Module (PS3.18 10.5.3 and I.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from libs.dicom.parse.dicomjson import JsonObject, attribute

OUT_OF_RESOURCES = 0xA700
OTHER_CLASS = 0xA900
OTHER_STUDY = 0xA901
CANNOT_UNDERSTAND = 0xC000
UNSUPPORTED_SYNTAX = 0xC122
PROCESSING_FAILURE = 0x0110
DUPLICATE_INSTANCE = 0x0111
UNSUPPORTED_CLASS = 0x0122

FAILURES: Mapping[int, str] = MappingProxyType(
    {
        OUT_OF_RESOURCES: "Out of resources: larger than this system takes, or it has no room now",
        OTHER_CLASS: "The data set does not match its SOP class: a UID that every instance has is missing or "
        "no UID, or dimensions are none that an image has",
        OTHER_STUDY: "The Study Instance UID is another than that of the URL",
        CANNOT_UNDERSTAND: "Cannot be understood: no Part 10 file, or one that is broken or cut off",
        UNSUPPORTED_SYNTAX: "The transfer syntax is not supported, or not named",
        PROCESSING_FAILURE: "Processing failure: the part was not of the type `application/dicom`, or was no "
        "longer read",
        DUPLICATE_INSTANCE: "Other bytes with this SOP Instance UID are stored already; those are untouched",
        UNSUPPORTED_CLASS: "The SOP class is not stored: a DICOMDIR is no instance",
    }
)
"""Failure Reason (0008,1197), and what it means here."""

NOT_OF_ITS_CLASS = 0xB007
WARNINGS: Mapping[int, str] = MappingProxyType(
    {NOT_OF_ITS_CLASS: "Stored as it is; the header describes an image, and there are no pixel data"}
)
"""Warning Reason (0008,1196). Nothing is ever coerced (B000) or discarded (B006)."""


@dataclass(frozen=True, slots=True)
class StoredInstance:
    """One that is stored, now or before."""

    sop_class_uid: str
    sop_instance_uid: str
    study_instance_uid: str
    url: str
    warning: int | None = None


@dataclass(frozen=True, slots=True)
class FailedInstance:
    """One that is not; its UIDs as far as they could be read."""

    sop_class_uid: str | None
    sop_instance_uid: str | None
    reason: int


def store_status(
    stored: Sequence[StoredInstance], failed: Sequence[FailedInstance]
) -> Literal[200, 202, 409]:
    """200: all, without warnings; 202: some, or with warnings; 409: none (PS3.18 10.5.3.1)."""
    if not stored:
        return 409
    return 202 if failed or any(one.warning is not None for one in stored) else 200


def store_response(
    stored: Sequence[StoredInstance], failed: Sequence[FailedInstance], study_url: str | None
) -> JsonObject:
    """The module in the DICOM JSON Model; `study_url` where all that is stored is of one study.

    A sequence without items is left out: clients take its presence for a failure.
    """
    known = [one for one in failed if one.sop_instance_uid is not None]
    unknown = [one for one in failed if one.sop_instance_uid is None]
    response = {"00081190": attribute("UR", [study_url])}
    for tag, items in (
        ("00081198", [_failed(one) for one in known]),
        ("00081199", [_stored(one) for one in stored]),
        ("0008119A", [{"00081197": attribute("US", [one.reason])} for one in unknown]),
    ):
        if items:
            response[tag] = attribute("SQ", items)
    return response


def _stored(one: StoredInstance) -> JsonObject:
    item = {
        "00081150": attribute("UI", [one.sop_class_uid]),
        "00081155": attribute("UI", [one.sop_instance_uid]),
        "00081190": attribute("UR", [one.url]),
    }
    if one.warning is not None:
        item["00081196"] = attribute("US", [one.warning])
    return item


def _failed(one: FailedInstance) -> JsonObject:
    return {
        "00081150": attribute("UI", [one.sop_class_uid]),
        "00081155": attribute("UI", [one.sop_instance_uid]),
        "00081197": attribute("US", [one.reason]),
    }
