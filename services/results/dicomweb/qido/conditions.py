"""Conditions of QIDO-RS as SQL over the columns of studies, series and files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple

from libs.common.database.bounded import Parameters
from libs.dicom.web.matching import (
    DateMatch,
    NameMatch,
    NameWordsMatch,
    NumberMatch,
    TextMatch,
    TimeMatch,
    UidMatch,
    WantedAttribute,
)
from libs.dicom.web.searching import AttributePath, path_of
from services.results.folding import fold_name, fold_name_part

MatchCost = Literal["order", "index", "look"]
"""How rows that meet a condition are found: along the order of the list, by an index, by looking at each."""


class SqlComparison(NamedTuple):
    """A condition as SQL."""

    text: str
    cost: MatchCost


# As the indexes study_by_date and study_by_date_all say it.
DATE_AND_TIME = "coalesce(study_date + coalesce(study_time, '00:00'::time), '-infinity'::timestamp)"
_COLUMN_OF_KEYWORD = {
    "StudyDate": "study_date",
    "StudyTime": "study_time",
    "AccessionNumber": "accession_number",
    "ModalitiesInStudy": "modalities",
    "ReferringPhysicianName": "physician_names",
    "StudyDescription": "study_description",
    "PatientName": "patient_names",
    "PatientID": "patient_id",
    "PatientBirthDate": "patient_birth_date",
    "PatientSex": "patient_sex",
    "StudyInstanceUID": "study_instance_uid",
    "StudyID": "study_id",
    "Modality": "modality",
    "SeriesDescription": "series_description",
    "BodyPartExamined": "body_part_examined",
    "SeriesInstanceUID": "series_instance_uid",
    "SeriesNumber": "series_number",
    "PerformedProcedureStepStartDate": "procedure_step_date",
    "PerformedProcedureStepStartTime": "procedure_step_time",
    "RequestAttributesSequence.ScheduledProcedureStepID": "scheduled_step_ids",
    "RequestAttributesSequence.RequestedProcedureID": "requested_procedure_ids",
    "SOPClassUID": "sop_class_uid",
    "SOPInstanceUID": "sop_instance_uid",
    "InstanceNumber": "instance_number",
}
COLUMN_OF: Mapping[AttributePath, str] = MappingProxyType(
    {path: column for name, column in _COLUMN_OF_KEYWORD.items() if (path := path_of(name)) is not None}
)
_LINES = frozenset({"scheduled_step_ids", "requested_procedure_ids"})
"""Several values, each between two line breaks."""
_TRIGRAMS = frozenset(
    {"patient_names", "physician_names", "patient_id", "accession_number", "study_id", "study_description"}
    | {"series_description"}
    | _LINES
)
_INDEXED = frozenset({"modality", "study_instance_uid", "series_instance_uid", "sop_instance_uid"})
"""Found by whole values alone."""
_DATES_INDEXED = frozenset({"patient_birth_date", "procedure_step_date"})
_BREAK, _END = "%\n", "\n%"
_TELLING = re.compile(r"^\w|\w{3}")
"""What trigrams are made of: the beginning of a word, or three letters of it."""


def comparison_of(wanted: WantedAttribute, parameters: Parameters) -> SqlComparison | None:
    """The condition for rows with these columns; None where any row will do."""
    column = COLUMN_OF[wanted.path]
    match wanted.condition:
        case None:
            return None
        case TextMatch() as texts:
            return _texts(column, texts, parameters)
        case NameMatch() as names:
            return _names(column, names, parameters)
        case NameWordsMatch() as words:
            return _name_words(column, words, parameters)
        case UidMatch() as uids:
            return _uids(column, uids, parameters)
        case NumberMatch() as numbers:
            return _numbers(column, numbers, parameters)
        case DateMatch() as dates:
            return _dates(column, dates, parameters)
        case TimeMatch() as times:
            return _times(column, times, parameters)


def pattern_of(text: str) -> str:
    """`text` with DICOM's wildcards as a pattern of LIKE."""
    escaped = re.sub(r"([\\%_])", r"\\\1", text)
    return escaped.replace("*", "%").replace("?", "_")


def name_pattern(text: str) -> str:
    """A name with wildcards, folded as columns hold it: component groups on lines, whole between breaks."""
    groups = [_folded(group).strip() for group in text.split("=")]
    # Lines are whole but where a wildcard reaches over them, as it would in the name as it is written.
    return _BREAK + "\n".join(filter(None, groups)) + _END


def _folded(text: str) -> str:
    """Wildcards as those of LIKE, and folded what stands between them."""
    parts = re.split(r"([*?]+)", text)
    parts[::2] = [pattern_of(fold_name_part(part)) for part in parts[::2]]
    parts[1::2] = [pattern_of(part) for part in parts[1::2]]
    return re.sub(" +", " ", "".join(parts))


def _or(alternatives: list[str]) -> str:
    return alternatives[0] if len(alternatives) == 1 else f"({' OR '.join(alternatives)})"


def _is_pattern(text: str) -> bool:
    return "*" in text or "?" in text


def _texts(column: str, wanted: TextMatch, parameters: Parameters) -> SqlComparison:
    if column == "modalities":
        return _modalities(wanted, parameters)
    if column in _LINES:
        return _lines(column, wanted, parameters)
    whole = [value for value in wanted.values if not _is_pattern(value)]
    patterns = [value for value in wanted.values if _is_pattern(value)]
    alternatives = [f"{column} LIKE {parameters.add(pattern_of(value))}" for value in patterns]
    if len(whole) == 1:
        alternatives.append(f"{column} = {parameters.add(whole[0])}")
    elif whole:
        alternatives.append(f"{column} = ANY ({parameters.add(whole)}::text[])")
    found = all(_TELLING.search(value) for value in patterns) and column in _TRIGRAMS
    indexed = found or (column in _INDEXED and not patterns)
    return SqlComparison(_or(alternatives), "index" if indexed else "look")


def _modalities(wanted: TextMatch, parameters: Parameters) -> SqlComparison:
    whole = [value for value in wanted.values if not _is_pattern(value)]
    alternatives = [f"modalities && {parameters.add(whole)}::text[]"] if whole else []
    patterns = [pattern_of(value) for value in wanted.values if _is_pattern(value)]
    if patterns:
        like = f"value LIKE ANY ({parameters.add(patterns)}::text[])"
        alternatives.append(f"EXISTS (SELECT FROM unnest(modalities) AS held (value) WHERE {like})")
    return SqlComparison(_or(alternatives), "look" if patterns else "index")


def _lines(column: str, wanted: TextMatch, parameters: Parameters) -> SqlComparison:
    alternatives = []
    for value in wanted.values:
        # A wildcard may reach over a line here; the second condition looks at each line.
        pattern = pattern_of(value)
        near = f"{column} LIKE {parameters.add(_BREAK + pattern + _END)}"
        if _is_pattern(value):
            lines = f"unnest(string_to_array({column}, chr(10))) AS held (line)"
            like = f"line <> '' AND line LIKE {parameters.add(pattern)}"
            near = f"({near} AND EXISTS (SELECT FROM {lines} WHERE {like}))"
        alternatives.append(near)
    indexed = all(_TELLING.search(value) for value in wanted.values)
    return SqlComparison(_or(alternatives), "index" if indexed else "look")


def _names(column: str, wanted: NameMatch, parameters: Parameters) -> SqlComparison:
    alternatives = [f"{column} LIKE {parameters.add(name_pattern(value))}" for value in wanted.values]
    indexed = all(_TELLING.search(fold_name(value.replace("?", "*"))) for value in wanted.values)
    return SqlComparison(_or(alternatives), "index" if indexed else "look")


def _name_words(column: str, wanted: NameWordsMatch, parameters: Parameters) -> SqlComparison:
    conditions = []
    for word in wanted.words:
        pattern = _folded(word).strip()
        near = f"{column} LIKE {parameters.add(f'%{pattern}%')}"
        begins = f"rtrim(translate({column}, chr(10), ' ')) LIKE {parameters.add(f'% {pattern}%')}"
        conditions.append(f"{near} AND {begins}")
    indexed = any(re.search(r"\w{3}", fold_name(word)) for word in wanted.words)
    return SqlComparison(f"({' AND '.join(conditions)})", "index" if indexed else "look")


def _uids(column: str, wanted: UidMatch, parameters: Parameters) -> SqlComparison:
    # One alone is known to be the same in whatever is joined.
    if len(wanted.values) == 1:
        text = f"{column} = {parameters.add(wanted.values[0])}"
    else:
        text = f"{column} = ANY ({parameters.add(list(wanted.values))}::text[])"
    return SqlComparison(text, "index" if column in _INDEXED else "look")


def _numbers(column: str, wanted: NumberMatch, parameters: Parameters) -> SqlComparison:
    return SqlComparison(f"{column} = ANY ({parameters.add(list(wanted.values))}::bigint[])", "look")


def _dates(column: str, wanted: DateMatch, parameters: Parameters) -> SqlComparison:
    conditions = [f"{column} IS NOT NULL"]
    key = DATE_AND_TIME if column == "study_date" else column
    if wanted.first is not None:
        conditions.append(f"{key} >= {parameters.add(wanted.first)}::date")
    if wanted.last is not None:
        conditions.append(f"{key} < {parameters.add(wanted.last)}::date + interval '1 day'")
    cost: MatchCost = "order" if column == "study_date" else "index" if column in _DATES_INDEXED else "look"
    return SqlComparison(f"({' AND '.join(conditions)})", cost)


def _times(column: str, wanted: TimeMatch, parameters: Parameters) -> SqlComparison:
    conditions = [f"{column} IS NOT NULL"]
    if wanted.first is not None:
        conditions.append(f"{column} >= {parameters.add(wanted.first)}::time")
    if wanted.last is not None:
        conditions.append(f"{column} <= {parameters.add(wanted.last)}::time")
    return SqlComparison(f"({' AND '.join(conditions)})", "look")
