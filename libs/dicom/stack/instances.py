"""What drawing and measuring need of an instance, from its header alone; a faulty element is absent."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from libs.dicom.faults import DicomFault
from libs.dicom.parse.dicomjson import JsonObject, key
from libs.dicom.parse.layout import PixelPlace
from libs.dicom.parse.syntax import Syntax
from libs.dicom.pixels.attributes import Attributes
from libs.dicom.pixels.image import (
    DOUBLE_FLOAT_PIXEL_DATA,
    FLOAT_PIXEL_DATA,
    PIXEL_DATA,
    Image,
    describe_image,
)
from libs.dicom.render.report import PDF_CLASS, REPORT_CLASSES
from libs.dicom.render.transform import (
    FunctionalGroups,
    is_inverse,
    lut,
    padding,
    rescale,
    windows,
)
from libs.dicom.render.values import ValueType, has_modality_table, value_type
from libs.dicom.stack.geometry import (
    Orientation,
    Spacing,
    Vector,
    orientation_of,
    position_of,
    spacing_of,
)
from libs.dicom.stack.regions import regions_of
from libs.dicom.stack.times import acquired, frame_times
from libs.dicom.web.frames import is_video

InstanceKind = Literal["image", "pdf", "report", "video", "other"]
SpacingKind = Literal["pixel", "imager", "region", "none"]
MOST_FRAMES = 1 << 20
"""Of one instance: what says more is measured by nobody, either."""
_MOST_NUMBER = 1 << 53
_DESCRIPTOR, _DATA = 0x00283002, 0x00283006
_SYNTAX = Syntax(implicit=False, little=True)
# What PET images are in (PS3.3 C.8.9.1.1.3); other objects have no such element.
_COUNTS = ("NONE", "CNTS")


@dataclass(frozen=True, slots=True)
class FrameFacts:
    """What may differ from frame to frame of one instance."""

    position: Vector | None = None
    orientation: Orientation | None = None
    slope: float = 1.0
    intercept: float = 0.0
    windows: tuple[tuple[float, float, str, str | None], ...] = ()
    spacing: Spacing | None = None
    acquired: str | None = None


_VARYING = ("position", "orientation", "slope", "intercept", "windows", "spacing")


class TableElsewhere(NamedTuple):
    """A VOI LUT whose entries lie outside of the header."""

    descriptor: tuple[float, ...]
    uri: str
    signed: bool

    def of(self, data: bytes) -> dict[str, Any] | None:
        """The table, with its data in little endian."""
        item = Attributes(
            {
                key(_DESCRIPTOR): {"vr": "US", "Value": list(self.descriptor)},
                key(_DATA): {"vr": "OW", "InlineBinary": base64.b64encode(data).decode()},
            },
            _nothing,
        )
        return _table_of(item, signed=self.signed)


@dataclass(frozen=True, slots=True)
class StackedInstance:
    """One instance; `told` are its facts by the names of the API, but for those of its frames."""

    kind: InstanceKind
    told: dict[str, Any]
    frames: Sequence[FrameFacts]
    """One at least: what has no frames has one place in the stack."""
    rows: int = 0
    columns: int = 0
    frame_of_reference: str = ""
    instance_number: int | None = None
    linear: bool = False
    """Whether modality values are slope · value + intercept."""
    table: TableElsewhere | None = None

    def range_of(self, least: object, most: object) -> list[float] | None:
        """The modality values of all frames, of their stored values; None where these are not enough."""
        if not (self.linear and isinstance(least, int | float) and isinstance(most, int | float)):
            return None
        scales = {(one.slope, one.intercept) for one in self.frames}
        if len(scales) > 1:
            return None
        ((slope, intercept),) = scales
        return sorted((least * slope + intercept, most * slope + intercept))

    def to_json(self) -> dict[str, Any]:
        """As the API tells of it."""
        first, *others = self.frames
        told = {**self.told, **{name: _told(name, getattr(first, name)) for name in _VARYING}}
        told["acquired"] = first.acquired
        differing = [
            {
                name: _told(name, getattr(one, name))
                for name in _VARYING
                if getattr(one, name) != getattr(first, name)
            }
            for one in others
        ]
        told["per_frame"] = [{}, *differing] if any(differing) else None
        return told


def describe(
    header: JsonObject, *, sop_class_uid: str | None, transfer_syntax_uid: str | None
) -> StackedInstance:
    """An instance by its header in the DICOM JSON Model, or what of it was kept."""
    attributes = Attributes(header, _nothing)
    number = attributes.number("InstanceNumber")
    instance_number = None if number is None or abs(number) >= _MOST_NUMBER else int(number)
    tag = next(
        (tag for tag in (PIXEL_DATA, FLOAT_PIXEL_DATA, DOUBLE_FLOAT_PIXEL_DATA) if key(tag) in header), None
    )
    sop_class, syntax = sop_class_uid or "", transfer_syntax_uid or ""
    if sop_class == PDF_CLASS:
        return _without_image("pdf", attributes, instance_number)
    if sop_class.startswith(REPORT_CLASSES):
        return _without_image("report", attributes, instance_number)
    if tag is None:
        return _without_image("other", attributes, instance_number)
    try:
        image = describe_image(attributes, PixelPlace(syntax, _SYNTAX, tag, "OW", 0, None))
    except DicomFault:
        return _without_image("other", attributes, instance_number)
    if image.frames > MOST_FRAMES:
        return _without_image("other", attributes, instance_number)
    kind = value_type(image)
    if is_video(syntax):
        return _with_image("video", image, kind or "rgb8", instance_number)
    if kind is None:
        return _without_image("other", attributes, instance_number)
    return _with_image("image", image, kind, instance_number)


def _nothing(uri: str) -> bytes:
    """Values outside of the header are not at hand."""
    return b""


def _without_image(
    kind: InstanceKind, attributes: Attributes, instance_number: int | None
) -> StackedInstance:
    told = {"kind": kind, "frames": 0, "rows": None, "columns": None}
    moment = acquired(attributes)
    return StackedInstance(kind, told, (FrameFacts(acquired=moment),), instance_number=instance_number)


def _with_image(
    kind: InstanceKind, image: Image, values: ValueType, instance_number: int | None
) -> StackedInstance:
    attributes, groups = image.attributes, FunctionalGroups(image.attributes)
    gray, table = values != "rgb8", has_modality_table(attributes)
    span = padding(image) if gray and not table else None
    spacing, spacing_kind = _spacing(attributes)
    frames = _frames(image, groups, spacing, transformed=gray and not table)
    if frames[0].spacing != spacing:
        spacing_kind = "pixel"
    regions = regions_of(attributes)
    if spacing_kind == "none" and regions:
        spacing_kind = "region"
    voi, elsewhere = _voi_table(image, signed=image.layout.signed or _has_rescale(image, groups))
    aspect = attributes.numbers("PixelAspectRatio")
    unit = None
    if gray:
        unit = _unit(attributes, groups, table=table)
    told: dict[str, Any] = {
        "kind": kind,
        "frames": image.frames,
        "rows": image.rows,
        "columns": image.columns,
        "values": values,
        "samples": image.samples,
        "photometric": _photometric(image, gray=gray),
        "bits_stored": 16 if table and gray else image.layout.stored,
        "signed": image.layout.signed and not table,
        "float": image.layout.floating and not table,
        "unit": unit,
        "voi_lut": voi if gray else None,
        "presentation_inverse": gray and is_inverse(image),
        "padding": None if span is None else [span.low, span.high],
        "spacing_kind": spacing_kind,
        "pixel_aspect": list(aspect) if len(aspect) == 2 and min(aspect) > 0 else None,
        "regions": regions,
        "frame_times": frame_times(attributes, image.frames),
        "slice_thickness": _thickness(attributes, groups),
        "patient_orientation": _directions(attributes),
        "laterality": attributes.text("ImageLaterality") or attributes.text("Laterality") or None,
        "view": attributes.text("ViewPosition") or None,
    }
    return StackedInstance(
        kind,
        told,
        frames,
        image.rows,
        image.columns,
        attributes.text("FrameOfReferenceUID"),
        instance_number,
        linear=gray and not table,
        table=elsewhere if gray else None,
    )


def _frames(
    image: Image, groups: FunctionalGroups, spacing: Spacing | None, *, transformed: bool
) -> list[FrameFacts]:
    found = [
        _frame(image.attributes, groups, frame, spacing, transformed=transformed)
        for frame in range(image.frames if groups.vary else 1)
    ]
    # What does not vary is one object for all frames.
    return found if groups.vary else found * image.frames


def _frame(
    attributes: Attributes,
    groups: FunctionalGroups,
    frame: int,
    spacing: Spacing | None,
    *,
    transformed: bool,
) -> FrameFacts:
    position = groups.macro("PlanePositionSequence", frame) or attributes
    orientation = groups.macro("PlaneOrientationSequence", frame) or attributes
    measures = groups.macro("PixelMeasuresSequence", frame)
    content = groups.macro("FrameContentSequence", frame)
    scale = rescale(attributes, groups, frame) if transformed else None
    moment = None if content is None else acquired(content)
    return FrameFacts(
        position_of(position.numbers("ImagePositionPatient")),
        orientation_of(orientation.numbers("ImageOrientationPatient")),
        1.0 if scale is None else scale[0].slope,
        0.0 if scale is None else scale[0].intercept,
        tuple(
            (one.center, one.width, one.function, name) for one, name in windows(attributes, groups, frame)
        ),
        (None if measures is None else spacing_of(measures.numbers("PixelSpacing"))) or spacing,
        moment or acquired(attributes),
    )


def _spacing(attributes: Attributes) -> tuple[Spacing | None, SpacingKind]:
    """The pixel spacing in the patient, else in the plane of the detector or film (PS3.3 10.7.1.3)."""
    pixel = spacing_of(attributes.numbers("PixelSpacing"))
    imager = spacing_of(attributes.numbers("ImagerPixelSpacing"))
    # Equal to the detector's, and calibrated by nothing: it is the detector's.
    same = pixel == imager and not attributes.has("PixelSpacingCalibrationType")
    if pixel is not None and not same:
        return pixel, "pixel"
    detector = imager or spacing_of(attributes.numbers("NominalScannedPixelSpacing"))
    return (None, "none") if detector is None else (detector, "imager")


def _voi_table(image: Image, *, signed: bool) -> tuple[dict[str, Any] | None, TableElsewhere | None]:
    """The first VOI LUT: itself, or where it is."""
    item = image.attributes.item("VOILUTSequence")
    described = item.numbers("LUTDescriptor") if item is not None else ()
    if item is None or len(described) != 3:
        return None, None
    if (uri := item.address("LUTData")) is not None:
        return None, TableElsewhere(described, uri, signed)
    return _table_of(item, signed=signed), None


def _table_of(item: Attributes, *, signed: bool) -> dict[str, Any] | None:
    """A lookup table as the API tells of it."""
    found, bits = lut(item, signed=signed), item.numbers("LUTDescriptor")[2]
    bits = int(bits) if 1 <= bits <= 16 else 16
    return None if found is None else {"first": found.first, "bits": bits, "entries": found.entries.tolist()}


def _has_rescale(image: Image, groups: FunctionalGroups) -> bool:
    return rescale(image.attributes, groups, 0) is not None


def _unit(attributes: Attributes, groups: FunctionalGroups, *, table: bool) -> str | None:
    unit = None
    if table:
        item = attributes.item("ModalityLUTSequence")
        unit = None if item is None else item.text("ModalityLUTType")
    else:
        scale = rescale(attributes, groups, 0)
        if scale is not None:
            holder = groups.macro("PixelValueTransformationSequence", 0) or attributes
            unit = scale[1] or holder.text("RescaleType")
    if not unit or unit == "US":  # unspecified
        unit = attributes.text("Units")
        return None if unit in ("", *_COUNTS) else unit
    return unit


def _photometric(image: Image, *, gray: bool) -> str:
    if gray:
        return "MONOCHROME1" if image.photometric == "MONOCHROME1" else "MONOCHROME2"
    return "PALETTE COLOR" if image.samples == 1 else "RGB"


def _thickness(attributes: Attributes, groups: FunctionalGroups) -> float | None:
    holder = groups.macro("PixelMeasuresSequence", 0)
    found = None if holder is None else holder.number("SliceThickness")
    return found if found is not None else attributes.number("SliceThickness")


def _directions(attributes: Attributes) -> list[str] | None:
    """Patient Orientation: where a row and a column lead to (PS3.3 C.7.6.1.1.1)."""
    named = [text for text in attributes.texts("PatientOrientation") if text is not None]
    return named if len(named) == 2 and all(text.isalpha() for text in named) else None


def _told(name: str, value: Any) -> Any:
    if name == "windows":
        return [
            {"center": center, "width": width, "function": function, "name": label}
            for center, width, function, label in value
        ]
    return list(value) if isinstance(value, tuple) else value
