"""What HTTP takes and gives of QIDO-RS."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from pydantic import Field, RootModel, create_model

from libs.common.http.dicomweb import DicomWebQuery
from libs.dicom.web.searching import LEVELS, SEARCHED, QueryLevel, keyword_of, vr_of

_HOW = {
    "CS": "`*` and `?` as wildcards; several joined by commas",
    "DA": "a day, or a range: `20260101-20260131`, `20260101-`, `-20260131`",
    "TM": "a time, or a range: `0800-0959`",
    "IS": "a whole number, several joined by backslashes",
    "PN": "in any case, with or without accents; `*` and `?` as wildcards",
    "UI": "one UID, or several joined by commas or backslashes",
}
_OTHER = "`*` and `?` as wildcards"


class MatchQuery(DicomWebQuery):
    """What every search may say beside the attributes that it compares."""

    limit: int | None = Field(None, ge=0, description="Matches at most; QIDO_MATCHES bounds it")
    offset: int = Field(0, ge=0, description="Matches to leave out; as far as QIDO_OFFSET")
    fuzzymatching: bool = Field(False, description="Names: each word begins a part of the name, in any order")
    includefield: str | None = Field(
        None, description="Further attributes, repeated or joined by commas: keywords, tags, or `all`"
    )


def _model(level: QueryLevel) -> type[MatchQuery]:
    levels = LEVELS[: LEVELS.index(level) + 1]
    fields: dict[str, Any] = {
        "_".join(path).lower().join(("a", "")): (
            str | None,
            Field(None, alias=keyword_of(path), description=_HOW.get(vr_of(path[-1]), _OTHER)),
        )
        for of in levels
        for path in SEARCHED[of]
    }
    return create_model(f"Search{level.capitalize()}", __base__=MatchQuery, **fields)


QUERIES: Mapping[QueryLevel, type[MatchQuery]] = MappingProxyType({level: _model(level) for level in LEVELS})
"""By keyword; tags do as well."""


class DicomMatches(RootModel[list[dict[str, dict[str, Any]]]]):
    """Data sets in the DICOM JSON Model (PS3.18 annex F)."""
