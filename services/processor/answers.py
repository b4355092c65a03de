"""What a decoder process answers: how one file was measured, or why it never can be.

It crosses the border from a process that has worked on foreign bytes: the parent takes nothing but these
fields, of these types and no larger than this.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from libs.common.errors import ObjectUnreadable
from libs.common.events import FailureReason
from libs.dicom.measure.analysis import Analysis

MEASURED, REFUSED, UNREADABLE = b"measured", b"refused", b"unreadable"
MOST_JSON_BYTES = 256 << 10
"""No larger event is published."""
MOST_THUMBNAIL_BYTES = 1 << 20
MOST_MEANS_BYTES = 32 << 20


class FalseAnswer(Exception):
    """No sound decoder answers this."""


@dataclass(frozen=True)
class Measured:
    """The measures of one file."""

    analysis: Analysis
    device_name: str
    seconds: float = 0.0
    """How long it took in the decoder process."""
    cpu_seconds: float = 0.0
    """CPU time of all threads."""
    peak_memory_bytes: int = 0
    """Most that was resident in that process meanwhile, the interpreter included."""


@dataclass(frozen=True)
class Refused:
    """Why this file can never be measured."""

    reason: FailureReason
    diagnosis: str
    """For the log of the processor only; it travels no further."""
    seconds: float = 0.0
    """How long it took in the decoder process."""
    cpu_seconds: float = 0.0
    """CPU time of all threads; 0 for a child that was lost."""
    peak_memory_bytes: int = 0
    """Most that was resident in that process meanwhile; 0 for a child that was lost."""


_Integer = Annotated[int, Field(ge=-(1 << 63), lt=1 << 64)]
_Count = Annotated[int, Field(ge=0, lt=1 << 63)]
_Float = Annotated[float, Field(allow_inf_nan=False)]
_Number = _Integer | _Float
_Text = Annotated[str, Field(max_length=64, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")]
_STRICT = ConfigDict(extra="forbid", strict=True)


class _Histogram(TypedDict):
    __pydantic_config__ = _STRICT  # type: ignore[misc]
    bins: _Count
    min: _Number
    max: _Number
    counts: Annotated[list[_Count], Field(max_length=256)]


class _Modality(TypedDict):
    __pydantic_config__ = _STRICT  # type: ignore[misc]
    mean: _Float | None
    unit: _Text | None


class _Padding(TypedDict):
    __pydantic_config__ = _STRICT  # type: ignore[misc]
    low: _Number
    high: _Number
    count: _Count
    mean_without: _Float | None


class _Statistics(TypedDict, total=False):
    """As libs/dicom/measure/analysis.py makes them."""

    __pydantic_config__ = _STRICT  # type: ignore[misc]
    kind: Literal["pixel-data", "no-pixel-data"]
    method_version: _Count
    transfer_syntax_uid: _Text
    count: _Count
    nonfinite: _Count
    min: _Number
    max: _Number
    mean: _Float | None
    std: _Float | None
    median: _Number | None
    p01: _Number | None
    p99: _Number | None
    entropy: _Float | None
    histogram: _Histogram
    frames: _Count
    modality: _Modality | None
    padding: _Padding | None
    frame_means: Annotated[list[_Float | None], Field(max_length=1024)] | None
    frame_means_stored: bool
    thumbnail_missing: _Text


class _Taken(BaseModel):
    model_config = _STRICT
    seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    cpu_seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    peak_memory_bytes: _Count


class _Measured(_Taken):
    device_name: _Text
    before: _Float | None
    after: _Float | None
    data_size: _Count | None
    statistics: _Statistics
    measure_seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)]


class _Refused(_Taken):
    reason: FailureReason
    diagnosis: Annotated[str, Field(max_length=1000)]


_MEANS = TypeAdapter(list[_Float | None], config=ConfigDict(strict=True))


def encoded(result: Measured | Refused) -> Sequence[bytes]:
    """What a decoder process sends."""
    told: dict[str, Any] = {
        "seconds": result.seconds,
        "cpu_seconds": result.cpu_seconds,
        "peak_memory_bytes": result.peak_memory_bytes,
    }
    if isinstance(result, Refused):
        told |= {"reason": result.reason, "diagnosis": result.diagnosis[:1000]}
        return [REFUSED, orjson.dumps(told)]
    analysis = result.analysis
    told |= {
        "device_name": result.device_name,
        "before": analysis.average_before_normalization,
        "after": analysis.average_after_normalization,
        "data_size": analysis.data_size,
        "statistics": analysis.statistics,
        "measure_seconds": analysis.measure_seconds,
    }
    stored = analysis.statistics.get("frame_means_stored")
    means = orjson.dumps(analysis.frame_means) if stored else b""
    return [MEASURED, orjson.dumps(told), analysis.thumbnail or b"", means]


def decoded(parts: Sequence[bytes]) -> Measured | Refused:
    """What a decoder process has sent. Raises FalseAnswer, and ObjectUnreadable where the disk failed it."""
    try:
        match parts:
            case [kind, told] if kind == REFUSED and len(told) <= MOST_JSON_BYTES:
                refused = _Refused.model_validate_json(told)
                diagnosis = "".join(c if c.isprintable() else "?" for c in refused.diagnosis)
                return Refused(refused.reason, diagnosis, *_taken(refused))
            case [kind, told, thumbnail, means] if (
                kind == MEASURED
                and len(told) <= MOST_JSON_BYTES
                and len(thumbnail) <= MOST_THUMBNAIL_BYTES
                and len(means) <= MOST_MEANS_BYTES
            ):
                measured = _Measured.model_validate_json(told)
                return Measured(
                    _analysis(measured, thumbnail, means), measured.device_name, *_taken(measured)
                )
            case [kind] if kind == UNREADABLE:
                raise ObjectUnreadable("The disk cannot read the object: check it, or send the file again.")
    except ValidationError as error:
        fields = {".".join(map(str, fault["loc"][:2])) for fault in error.errors(include_input=False)}
        raise FalseAnswer(f"wrong fields: {', '.join(sorted(fields))[:200]}") from None
    raise FalseAnswer("an answer of unknown kind, or too long")


def _analysis(told: _Measured, thumbnail: bytes, means: bytes) -> Analysis:
    statistics: Any = told.statistics
    frame_means = _MEANS.validate_json(means) if means else statistics.get("frame_means") or []
    return Analysis(
        told.before,
        told.after,
        told.data_size,
        statistics,
        thumbnail or None,
        frame_means,
        told.measure_seconds,
    )


def _taken(told: _Taken) -> tuple[float, float, int]:
    return told.seconds, told.cpu_seconds, told.peak_memory_bytes
