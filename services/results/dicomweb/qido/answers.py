"""Rows as DICOM JSON: what QIDO-RS answers with (PS3.18 10.6.3.3 and annex F); pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, time
from types import MappingProxyType
from typing import Any

import orjson

from libs.common.http.dicomweb import WebAddresses
from libs.dicom.web.matching import AttributeSearch
from libs.dicom.web.searching import ALL, IF_KNOWN, LEVELS, RETURNED, QueryLevel, path_of, vr_of
from services.results.write.header import columns_of

MatchedRow = Mapping[str, Any]
Element = dict[str, Any]


def _tag(keyword: str) -> str:
    path = path_of(keyword)
    assert path is not None  # noqa: S101  a keyword of the dictionary
    return path[0]


_NAMES = {_tag("PatientName"): "patient_name", _tag("ReferringPhysicianName"): "referring_physician_name"}
_COLUMNS: Mapping[QueryLevel, Mapping[str, str]] = MappingProxyType(
    {
        "study": {
            _tag("StudyDate"): "study_date",
            _tag("StudyTime"): "study_time",
            _tag("AccessionNumber"): "accession_number",
            _tag("ModalitiesInStudy"): "modalities",
            _tag("StudyDescription"): "study_description",
            **_NAMES,
            _tag("PatientID"): "patient_id",
            _tag("PatientBirthDate"): "patient_birth_date",
            _tag("PatientSex"): "patient_sex",
            _tag("StudyInstanceUID"): "study_instance_uid",
            _tag("StudyID"): "study_id",
            _tag("NumberOfStudyRelatedSeries"): "study_series",
            _tag("NumberOfStudyRelatedInstances"): "study_instances",
        },
        "series": {
            _tag("Modality"): "modality",
            _tag("SeriesDescription"): "series_description",
            _tag("BodyPartExamined"): "body_part_examined",
            _tag("SeriesInstanceUID"): "series_instance_uid",
            _tag("SeriesNumber"): "series_number",
            _tag("PerformedProcedureStepStartDate"): "procedure_step_date",
            _tag("PerformedProcedureStepStartTime"): "procedure_step_time",
            _tag("NumberOfSeriesRelatedInstances"): "series_instances",
        },
        "instance": {
            _tag("SOPClassUID"): "sop_class_uid",
            _tag("SOPInstanceUID"): "sop_instance_uid",
            _tag("InstanceNumber"): "instance_number",
            _tag("Rows"): "rows",
            _tag("Columns"): "columns",
        },
    }
)
"""What rows say; of an instance its own header goes before but for UIDs and what is counted."""
_UIDS: Mapping[QueryLevel, str] = MappingProxyType(
    {
        "study": _tag("StudyInstanceUID"),
        "series": _tag("SeriesInstanceUID"),
        "instance": _tag("SOPInstanceUID"),
    }
)
_OWN_WORD = frozenset({*_UIDS.values(), _tag("SOPClassUID")}) | {
    _tag(name)
    for name in (
        "ModalitiesInStudy",
        "NumberOfStudyRelatedSeries",
        "NumberOfStudyRelatedInstances",
        "NumberOfSeriesRelatedInstances",
    )
}
"""What no header is asked for."""
_CHARACTER_SET = _tag("SpecificCharacterSet")
_RETRIEVE_URL, _AVAILABILITY = _tag("RetrieveURL"), _tag("InstanceAvailability")


class MatchWriter:
    """What one search is answered with: the same attributes of each match, as far as they are known."""

    def __init__(self, level: QueryLevel, search: AttributeSearch, within: frozenset[QueryLevel]) -> None:
        """`within`: the levels that the path names."""
        self._level = level
        above = LEVELS[: LEVELS.index(level)]
        shown: list[QueryLevel] = [level, *(other for other in above if other not in within)]
        self._required = frozenset(tag for of in shown for tag in RETURNED[of])
        tags = {*self._required, *search.named, *(_UIDS[of] for of in above)}
        self._everything = False
        if search.everything:
            for of in shown:
                told = ALL[of]
                if told is None:
                    self._everything = True
                else:
                    tags |= told
        self._tags = tags
        levels = LEVELS[: LEVELS.index(level) + 1]
        self._columns = {tag: name for of in levels for tag, name in _COLUMNS[of].items()}

    @property
    def header_tags(self) -> list[str] | None:
        """Which attributes of headers are needed; None: all."""
        if self._everything:
            return None
        if self._level == "instance":
            return sorted(self._tags - _OWN_WORD)
        return sorted(tag for tag in self._tags if tag not in self._columns or tag in _NAMES)

    def of(self, row: MatchedRow, urls: WebAddresses) -> dict[str, Element]:
        """The data set of one match, in the order of tags."""
        stored = orjson.loads(row["header"] or "{}")
        header: dict[str, Element] = {tag: element for tag, element in stored.items() if element is not None}
        tags = {*self._tags, *header} if self._everything else self._tags
        found: dict[str, Element] = {}
        for tag in sorted(tags):
            element = self._element(tag, row, header)
            if tag == _RETRIEVE_URL:
                element = {"vr": "UR", "Value": [self._url(row, urls)]}
            elif tag == _AVAILABILITY:
                element = {"vr": "CS", "Value": ["ONLINE"]}
            elif tag == _CHARACTER_SET and element is not None:
                element = {"vr": "CS", "Value": ["ISO_IR 192"]}  # as JSON writes it (PS3.18 F.2)
            if element is not None:
                found[tag] = element
            elif tag in self._required and tag not in IF_KNOWN:
                found[tag] = {"vr": vr_of(tag)}
        return found

    def _element(self, tag: str, row: MatchedRow, header: Mapping[str, Element]) -> Element | None:
        stored = _plain(header.get(tag))
        column = self._columns.get(tag)
        if column is None or (self._level == "instance" and stored is not None and tag not in _OWN_WORD):
            return stored
        value = row[column]
        if value is None or value == []:
            return None
        if tag in _NAMES:
            return _name(tag, value, stored)
        return {"vr": vr_of(tag), "Value": _values(value)}

    def _url(self, row: MatchedRow, urls: WebAddresses) -> str:
        study = row["study_instance_uid"]
        if self._level == "study":
            return urls.study_url(study)
        series = row["series_instance_uid"]
        if self._level == "series":
            return urls.series_url(study, series)
        return urls.instance_url(study, series, row["sop_instance_uid"])


def _plain(element: Element | None) -> Element | None:
    """An attribute that needs no further request; bulk values are for WADO-RS."""
    return None if element is None or "BulkDataURI" in element else element


def _name(tag: str, name: str, stored: Element | None) -> Element:
    """A person's name with all its component groups, where the header has the name that is known."""
    if stored is not None and columns_of({tag: stored}, None)[_NAMES[tag]] == name:
        return stored
    return {"vr": "PN", "Value": [{"Alphabetic": name}]}


def _date(value: date) -> str:
    return f"{value.year:04}{value.month:02}{value.day:02}"


def _time(value: time) -> str:
    part = f".{value.microsecond:06}" if value.microsecond else ""
    return f"{value.hour:02}{value.minute:02}{value.second:02}{part}"


_WRITTEN: Mapping[type, Callable[[Any], Any]] = MappingProxyType({date: _date, time: _time})


def _values(value: Any) -> list[Any]:
    written = _WRITTEN.get(type(value))
    if written is not None:
        return [written(value)]
    return value if isinstance(value, list) else [value]
