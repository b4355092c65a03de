"""What QIDO-RS searches for and answers with, by level: the one table that code and conformance follow.

PS3.18 tables 10.6.1-5 (what may be searched for) and 10.6.3-3 to -5 (what answers hold).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from pydicom.datadict import dictionary_VR, keyword_for_tag, tag_for_keyword

QueryLevel = Literal["study", "series", "instance"]
AttributePath = tuple[str, ...]
"""Tags as the JSON model writes them: an attribute's, behind those of the sequences that it lies in."""

LEVELS: tuple[QueryLevel, ...] = ("study", "series", "instance")


def path_of(text: str) -> AttributePath | None:
    """The path that keywords or tags of eight hexadecimal digits, joined by dots, name; None: none does."""
    tags = []
    for name in text.split("."):
        tag = _tag_of(name)
        if tag is None:
            return None
        tags.append(tag)
    return tuple(tags)


def _tag_of(name: str) -> str | None:
    if len(name) == 8 and name.isascii():
        try:
            return f"{int(name, 16):08X}" if name.isalnum() else None
        except ValueError:
            pass
    tag = tag_for_keyword(name)
    return None if tag is None else f"{tag:08X}"


def vr_of(tag: str) -> str:
    """The VR of an attribute of the dictionary, the first where it names several; UN of others."""
    try:
        return dictionary_VR(int(tag, 16)).split(" ")[0]
    except KeyError:
        return "UN"


def keyword_of(path: AttributePath) -> str:
    """As people read it; a tag that has no keyword stays."""
    return ".".join(keyword_for_tag(int(tag, 16)) or tag for tag in path)


def _paths(text: str) -> tuple[AttributePath, ...]:
    found = tuple(path for name in text.split() if (path := path_of(name)) is not None)
    assert len(found) == len(text.split())  # noqa: S101  each is in the dictionary
    return found


SEARCHED: Mapping[QueryLevel, tuple[AttributePath, ...]] = MappingProxyType(
    {
        "study": _paths(
            "StudyDate StudyTime AccessionNumber ModalitiesInStudy ReferringPhysicianName StudyDescription "
            "PatientName PatientID PatientBirthDate PatientSex StudyInstanceUID StudyID"
        ),
        "series": _paths(
            "Modality SeriesDescription BodyPartExamined SeriesInstanceUID SeriesNumber "
            "PerformedProcedureStepStartDate PerformedProcedureStepStartTime "
            "RequestAttributesSequence.ScheduledProcedureStepID "
            "RequestAttributesSequence.RequestedProcedureID"
        ),
        "instance": _paths("SOPClassUID SOPInstanceUID InstanceNumber"),
    }
)
"""What is compared, by the level that it belongs to; a search takes those of the levels above as well."""

LEVEL_OF: Mapping[AttributePath, QueryLevel] = MappingProxyType(
    {path: level for level in LEVELS for path in SEARCHED[level]}
)


def _tags(text: str) -> tuple[str, ...]:
    return tuple(path[-1] for path in _paths(text))


RETURNED: Mapping[QueryLevel, tuple[str, ...]] = MappingProxyType(
    {
        "study": _tags(
            "StudyDate StudyTime AccessionNumber ModalitiesInStudy ReferringPhysicianName RetrieveURL "
            "PatientName PatientID PatientBirthDate PatientSex StudyInstanceUID StudyID "
            "NumberOfStudyRelatedSeries NumberOfStudyRelatedInstances"
        ),
        "series": _tags(
            "Modality SeriesDescription SeriesDate RetrieveURL SeriesInstanceUID SeriesNumber "
            "NumberOfSeriesRelatedInstances PerformedProcedureStepStartDate PerformedProcedureStepStartTime "
            "RequestAttributesSequence"
        ),
        "instance": _tags(
            "SOPClassUID SOPInstanceUID RetrieveURL InstanceNumber NumberOfFrames Rows Columns BitsAllocated"
        ),
    }
)
"""What every answer holds."""
IF_KNOWN = frozenset(
    _tags(
        "SeriesDescription SeriesDate PerformedProcedureStepStartDate PerformedProcedureStepStartTime "
        "RequestAttributesSequence NumberOfFrames Rows Columns BitsAllocated"
    )
)
"""Of these what is not known is left out; others stand there without a value."""

ALL: Mapping[QueryLevel, frozenset[str] | None] = MappingProxyType(
    {
        "study": frozenset(
            _tags(
                "SpecificCharacterSet TimezoneOffsetFromUTC StudyDescription ProcedureCodeSequence "
                "PhysiciansOfRecord NameOfPhysiciansReadingStudy AdmittingDiagnosesDescription "
                "ReferencedStudySequence IssuerOfPatientID OtherPatientIDs PatientBirthTime PatientAge "
                "PatientSize PatientWeight EthnicGroup Occupation AdditionalPatientHistory PatientComments "
                "PatientIdentityRemoved DeidentificationMethod InstanceAvailability"
            )
        ),
        "series": frozenset(
            _tags(
                "SpecificCharacterSet TimezoneOffsetFromUTC SeriesTime Manufacturer InstitutionName "
                "StationName InstitutionalDepartmentName PerformingPhysicianName OperatorsName "
                "ManufacturerModelName BodyPartExamined ProtocolName PatientPosition SoftwareVersions "
                "DeviceSerialNumber FrameOfReferenceUID Laterality PositionReferenceIndicator "
                "PerformedProcedureStepEndDate PerformedProcedureStepEndTime PerformedProcedureStepID "
                "PerformedProcedureStepDescription InstanceAvailability"
            )
        ),
        "instance": None,
    }
)
"""What `includefield=all` adds; None: all that the header holds but bulk values."""
