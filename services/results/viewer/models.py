"""What HTTP takes of the portal's viewer, and tells it."""

from __future__ import annotations

from datetime import date, time
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from libs.common.access import COLLECTION_PATTERN
from libs.dicom.render.values import ValueType
from libs.dicom.stack.groups import StackOrder
from libs.dicom.stack.instances import InstanceKind, SpacingKind
from services.results.read.models import Query


class FrameQuery(Query):
    """How a frame is wanted."""

    as_: Literal["values", "preview"] | None = Field(
        None, alias="as", description="Goes before the Accept header: values, or a picture"
    )
    window: str | None = Field(
        None,
        max_length=100,
        description="Of a picture: `center,width`, or with `,linear`, `,linear-exact` or `,sigmoid`; `lut`: "
        "the VOI LUT of the header. Without it the header's first choice, else what most values are",
    )
    size: int | None = Field(
        None,
        ge=64,
        le=4096,
        description="Longest side of a picture at most, in pixels; without it 512 of JPEG, and all of PNG",
    )
    invert: Literal["0", "1"] = Field("0", description="1: a picture with dark for bright")


class StackQuery(Query):
    """Which stack, in which order."""

    collection: str | None = Field(
        None, pattern=COLLECTION_PATTERN, description="As of studies: without it the caller's own first"
    )
    order: StackOrder | None = Field(
        None, description="Of each group, where it can be; without it along the normal, where that orders it"
    )


class _Told(BaseModel):
    model_config = ConfigDict(extra="forbid")


class StackError(_Told):
    """Why a file could not be measured."""

    code: str
    detail: str | None


class StackWindow(_Told):
    """A window over modality values (PS3.3 C.11.2.1.2)."""

    center: float
    width: float
    function: Literal["LINEAR", "LINEAR_EXACT", "SIGMOID"]
    name: str | None


class StackTable(_Told):
    """A VOI LUT: values below `first` are its first entry, those beyond its end the last."""

    first: int
    bits: int
    entries: list[int]


class StackRegion(_Told):
    """A part of an ultrasound image with a scale of its own (PS3.3 C.8.5.5)."""

    x0: int
    y0: int
    x1: int
    y1: int
    dx: float
    dy: float
    unit_x: str
    unit_y: str


class StackFrame(_Told):
    """What of a frame differs from its instance."""

    position: list[float] | None = None
    orientation: list[float] | None = None
    slope: float = 1.0
    intercept: float = 0.0
    windows: list[StackWindow] = []
    spacing: list[float] | None = None


class StackInstance(StackFrame):
    """A file of the series; of those without an image only what they have."""

    file_id: UUID
    sop_instance_uid: str | None
    sop_class_uid: str | None
    instance_number: int | None
    state: Literal["received", "processed", "failed"]
    error: StackError | None
    kind: InstanceKind = Field(description="What to show; `other`: its header")
    frames: int
    rows: int | None
    columns: int | None
    values: ValueType | None = Field(None, description="What its frames are as values")
    samples: int | None = None
    photometric: str | None = Field(None, description="Once decoded: MONOCHROME1 or 2, PALETTE COLOR, RGB")
    bits_stored: int | None = None
    signed: bool = False
    is_float: bool = Field(False, alias="float")
    unit: str | None = Field(None, description="Of modality values: slope · value + intercept")
    voi_lut: StackTable | None = Field(None, description="Goes before windows where neither is asked for")
    presentation_inverse: bool = Field(False, description="Small values are bright")
    padding: list[int | float] | None = Field(None, description="Stored values without a pixel, from, to")
    range: list[int | float] | None = Field(None, description="Modality values of all frames, once measured")
    spacing_kind: SpacingKind | None = Field(
        None, description="Where `spacing` holds: in the patient, at the detector; in regions; nowhere"
    )
    pixel_aspect: list[int | float] | None = Field(None, description="Vertical, horizontal")
    regions: list[StackRegion] = []
    frame_times: int | float | list[int | float] | None = Field(None, description="Milliseconds")
    slice_thickness: int | float | None = None
    patient_orientation: list[str] | None = Field(None, description="Where a row and a column lead to")
    laterality: str | None = None
    view: str | None = None
    acquired: str | None = Field(None, description="By the clock where that was")
    per_frame: list[StackFrame] | None


class StackGroup(_Told):
    """Frames that are scrolled through."""

    order: StackOrder
    orders: list[StackOrder] = Field(description="Those that can be asked for")
    normal: list[float] | None = Field(description="What parallel planes are ordered along")
    spacing_between: float | None = Field(description="Millimetres from plane to plane, where even")
    frames: list[tuple[int, int]] = Field(description="Place in `instances` from 0, frame from 1")


class StackPatient(_Told):
    """As studies tell of them."""

    patient_name: str | None
    patient_id: str | None
    patient_birth_date: date | None
    patient_sex: str | None


class SeriesStack(_Told):
    """All that drawing and measuring need of the frames of a series."""

    study_instance_uid: str
    series_instance_uid: str
    collection: str
    modality: str | None
    series_number: int | None
    series_description: str | None
    body_part: str | None
    laterality: str | None
    patient: StackPatient
    study_date: date | None
    study_time: time | None
    study_description: str | None
    accession_number: str | None
    unknown: int = Field(description="Files that are left out, since their headers are not known")
    instances: list[StackInstance]
    groups: list[StackGroup]
