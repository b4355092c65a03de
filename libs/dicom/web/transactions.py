"""The DICOMweb transactions that this system answers: what the capabilities document and the conformance
statement tell of, and tests compare the routes with (PS3.18 8.9, PS3.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from libs.dicom.web.frames import MEDIA_TYPES
from libs.dicom.web.searching import LEVELS, SEARCHED, QueryLevel, keyword_of

DICOM_JSON, DICOM_XML = "application/dicom+json", "application/dicom+xml"
WebService = Literal["Capabilities", "STOW-RS", "QIDO-RS", "WADO-RS"]
WADL_TYPE = "application/vnd.sun.wadl+xml"
JSON_TYPE = "application/json"


@dataclass(frozen=True, slots=True)
class WebTransaction:
    """One method on one path of the root `/dicom-web`."""

    service: WebService
    name: str
    source: str
    """Where the standard has it."""
    method: str
    path: str
    """With `{variables}`; empty for the root itself."""
    gives: tuple[str, ...]
    """Media types of the answer, the one without an Accept header first."""
    takes: tuple[str, ...] = ()
    """Media types of the body."""
    query: tuple[str, ...] = ()
    """Query parameters beside `collection`."""


CAPABILITIES = tuple(
    WebTransaction(
        service="Capabilities",
        name="Retrieve Capabilities",
        source="PS3.18 8.9",
        method=method,
        path="",
        gives=(WADL_TYPE, JSON_TYPE),
    )
    for method in ("OPTIONS", "GET")
)
_STUDY = "/studies/{study_uid}"
_DICOM_PARTS = 'multipart/related; type="application/dicom"'
STOW = tuple(
    WebTransaction(
        service="STOW-RS",
        name=name,
        source="PS3.18 10.5",
        method="POST",
        path=path,
        gives=(DICOM_JSON, DICOM_XML),
        takes=(_DICOM_PARTS, "application/dicom"),
    )
    for name, path in (
        ("Store Instances", "/studies"),
        ("Store Instances of a Study", _STUDY),
    )
)
_SERIES = f"{_STUDY}/series/{{series_uid}}"
_INSTANCE = f"{_SERIES}/instances/{{instance_uid}}"
_LEVELS = (("Study", _STUDY), ("Series", _SERIES), ("Instance", _INSTANCE))
WADO = (
    *(
        WebTransaction(
            service="WADO-RS",
            name=f"Retrieve {level}",
            source="PS3.18 10.4",
            method="GET",
            path=path,
            gives=(_DICOM_PARTS, *(("application/dicom",) if level == "Instance" else ()), "application/zip"),
            query=("accept",),
        )
        for level, path in _LEVELS
    ),
    *(
        WebTransaction(
            service="WADO-RS",
            name=f"Retrieve {level} Metadata",
            source="PS3.18 10.4.1.1.2",
            method="GET",
            path=f"{path}/metadata",
            gives=(DICOM_JSON, f'multipart/related; type="{DICOM_XML}"'),
            query=("accept",),
        )
        for level, path in _LEVELS
    ),
)
WADO_FRAMES = WebTransaction(
    service="WADO-RS",
    name="Retrieve Frames",
    source="PS3.18 10.4.4",
    method="GET",
    path=f"{_INSTANCE}/frames/{{frames}}",
    gives=('multipart/related; type="application/octet-stream"', *sorted(set(MEDIA_TYPES.values()))),
    query=("accept",),
)
_SEARCHES: tuple[tuple[str, QueryLevel, str], ...] = (
    ("Studies", "study", "/studies"),
    ("Series", "series", "/series"),
    ("Instances", "instance", "/instances"),
    ("Study's Series", "series", f"{_STUDY}/series"),
    ("Study's Instances", "instance", f"{_STUDY}/instances"),
    ("Series' Instances", "instance", f"{_SERIES}/instances"),
)
QIDO = tuple(
    WebTransaction(
        service="QIDO-RS",
        name=f"Search for {name}",
        source="PS3.18 10.6",
        method="GET",
        path=path,
        gives=(DICOM_JSON, f'multipart/related; type="{DICOM_XML}"'),
        query=(
            *("limit", "offset", "fuzzymatching", "includefield"),
            *(keyword_of(one) for of in LEVELS[: LEVELS.index(level) + 1] for one in SEARCHED[of]),
        ),
    )
    for name, level, path in _SEARCHES
)
WADO_PICTURES = (
    *(
        WebTransaction(
            service="WADO-RS",
            name=f"Retrieve Rendered {level}",
            source="PS3.18 10.4.1.1.3",
            method="GET",
            path=f"{path}/rendered",
            gives=('multipart/related; type="image/jpeg"', 'multipart/related; type="image/png"'),
            query=("accept", "viewport", "window", "quality"),
        )
        for level, path in _LEVELS[:2]
    ),
    *(
        WebTransaction(
            service="WADO-RS",
            name=f"Retrieve Rendered {name}",
            source="PS3.18 10.4.1.1.3",
            method="GET",
            path=f"{_INSTANCE}{path}/rendered",
            gives=("image/jpeg", "image/png", *more),
            query=("accept", "viewport", "window", "quality"),
        )
        for name, path, more in (
            ("Instance", "", ("application/pdf", "text/plain")),
            ("Frames", "/frames/{frames}", ()),
        )
    ),
    *(
        WebTransaction(
            service="WADO-RS",
            name=f"Retrieve {level} Thumbnail",
            source="PS3.18 10.4.1.1.5",
            method="GET",
            path=f"{path}/thumbnail",
            gives=("image/jpeg",),
            query=("accept", "viewport"),
        )
        for level, path in _LEVELS
    ),
)
WADO_BULKDATA = WebTransaction(
    service="WADO-RS",
    name="Retrieve Bulk Data",
    source="PS3.18 10.4.1.1.4",
    method="GET",
    path=f"{_INSTANCE}/bulkdata/{{path}}",
    gives=("application/octet-stream", 'multipart/related; type="application/octet-stream"'),
    query=("accept",),
)
TRANSACTIONS = (*CAPABILITIES, *STOW, *QIDO, *WADO, WADO_FRAMES, *WADO_PICTURES, WADO_BULKDATA)
"""All of them; each also below `/collections/{collection}`."""
