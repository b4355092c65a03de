"""Stacks: what is told of each instance, how frames are grouped and ordered, whatever their headers lack."""

from __future__ import annotations

import inspect
import json
import random
import re
from typing import Any

import numpy as np
import orjson
import pytest
from pydicom.datadict import keyword_dict
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as DicomSequence

from libs.dicom.parse.dicomjson import key
from libs.dicom.stack import elements, instances, regions, times
from libs.dicom.stack.groups import MOST_DIRECTIONS, StackOrder, grouped
from libs.dicom.stack.instances import StackedInstance, describe

CT = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT, MPEG4 = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.4.102"
AXIAL, CORONAL, SAGITTAL = [1, 0, 0, 0, 1, 0], [1, 0, 0, 0, 0, -1], [0, 1, 0, 0, 0, -1]
IMAGE: dict[str, Any] = {
    "Modality": "CT",
    "SamplesPerPixel": 1,
    "PhotometricInterpretation": "MONOCHROME2",
    "Rows": 8,
    "Columns": 10,
    "BitsAllocated": 16,
    "BitsStored": 12,
    "HighBit": 11,
    "PixelRepresentation": 0,
    "PixelData": b"",
}


def items(**elements: Any) -> DicomSequence:
    return DicomSequence([data_set(elements)])


def data_set(elements: dict[str, Any]) -> Dataset:
    made = Dataset()
    for keyword, value in elements.items():
        setattr(made, keyword, value)
    return made


def header(elements: dict[str, Any]) -> dict[str, Any]:
    """The DICOM JSON Model, as pydicom writes it."""
    text = data_set(elements).to_json()
    # The form in a file is decided when it is written.
    found: dict[str, Any] = json.loads(text.replace('"US or SS"', '"US"').replace('"US or OW"', '"OW"'))
    return found


def image(sop_class: str = CT, syntax: str = EXPLICIT, **changed: Any) -> StackedInstance:
    told = {name: value for name, value in {**IMAGE, **changed}.items() if value is not None}
    return describe(header(told), sop_class_uid=sop_class, transfer_syntax_uid=syntax)


def slice_at(z: float, number: int | None = None, **changed: Any) -> StackedInstance:
    told = {
        "ImagePositionPatient": [-10, -20, z],
        "ImageOrientationPatient": AXIAL,
        "PixelSpacing": [0.5, 0.5],
        "InstanceNumber": number,
    }
    return image(**{**told, **changed})


def order_of(found: dict[str, Any]) -> list[int]:
    return [place for place, _ in found["frames"]]


def test_what_is_told_of_a_slice() -> None:
    told = slice_at(
        5,
        3,
        RescaleSlope="2",
        RescaleIntercept="-1024",
        WindowCenter=["40", "600"],
        WindowWidth=["400", "1600"],
        WindowCenterWidthExplanation=["SOFT", "LUNG"],
        PixelPaddingValue=63536,
        SliceThickness="1.25",
        AcquisitionDate="20240117",
        AcquisitionTime="101112.5",
    )
    found = told.to_json()
    assert found == {
        "kind": "image",
        "frames": 1,
        "rows": 8,
        "columns": 10,
        "values": "uint16",
        "samples": 1,
        "photometric": "MONOCHROME2",
        "bits_stored": 12,
        "signed": False,
        "float": False,
        "slope": 2,
        "intercept": -1024,
        "unit": "HU",
        "windows": [
            {"center": 40, "width": 400, "function": "LINEAR", "name": "SOFT"},
            {"center": 600, "width": 1600, "function": "LINEAR", "name": "LUNG"},
        ],
        "voi_lut": None,
        "presentation_inverse": False,
        "padding": [63536, 63536],
        "spacing": [0.5, 0.5],
        "spacing_kind": "pixel",
        "pixel_aspect": None,
        "regions": [],
        "frame_times": None,
        "per_frame": None,
        "position": [-10, -20, 5],
        "orientation": AXIAL,
        "slice_thickness": 1.25,
        "patient_orientation": None,
        "laterality": None,
        "view": None,
        "acquired": "2024-01-17T10:11:12.500000",
    }
    assert told.range_of(0, 4095) == [-1024, 7166]
    assert told.range_of(None, 4095) is None


@pytest.mark.parametrize(
    ("changed", "values", "photometric"),
    [
        ({}, "uint16", "MONOCHROME2"),
        ({"PixelRepresentation": 1}, "int16", "MONOCHROME2"),
        ({"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7}, "uint8", "MONOCHROME2"),
        ({"BitsAllocated": 1, "BitsStored": 1, "HighBit": 0}, "uint8", "MONOCHROME2"),
        ({"BitsAllocated": 32, "BitsStored": 32, "HighBit": 31}, "float32", "MONOCHROME2"),
        ({"PixelData": None, "FloatPixelData": b""}, "float32", "MONOCHROME2"),
        ({"PhotometricInterpretation": "MONOCHROME1"}, "uint16", "MONOCHROME1"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "rgb8", "PALETTE COLOR"),
        ({"SamplesPerPixel": 3, "PhotometricInterpretation": "YBR_FULL_422"}, "rgb8", "RGB"),
        ({"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB"}, "rgb8", "RGB"),
    ],
)
def test_types_of_values(changed: dict[str, Any], values: str, photometric: str) -> None:
    found = image(**changed).to_json()
    assert (found["values"], found["photometric"]) == (values, photometric)


def test_lookup_tables() -> None:
    entries = np.array([0, 900, 40, 4095], "<u2").tobytes()
    table = {"LUTDescriptor": [4, 10, 12], "LUTData": entries}
    found = image(VOILUTSequence=items(**table), RescaleSlope="2", RescaleIntercept="0").to_json()
    assert found["voi_lut"] == {"first": 10, "bits": 12, "entries": [0, 900, 40, 4095]}
    found = image(
        ModalityLUTSequence=items(**table, ModalityLUTType="HU"), PixelRepresentation=1,
        PixelPaddingValue=7, BitsAllocated=8, BitsStored=8, HighBit=7,
    ).to_json()  # fmt: skip
    assert (found["values"], found["signed"], found["bits_stored"]) == ("uint16", False, 16)
    assert (found["slope"], found["intercept"], found["unit"]) == (1, 0, "HU")
    assert found["padding"] is None


def test_a_table_that_lies_elsewhere() -> None:
    told = header({**IMAGE, "VOILUTSequence": items(LUTDescriptor=[3, 65534, 16])})
    told["00283010"]["Value"][0]["00283006"] = {"vr": "OW", "BulkDataURI": "bulkdata/00283010/0/00283006"}
    signed = {**told, "00280103": {"vr": "US", "Value": [1]}}
    for one, first in ((told, 65534), (signed, -2)):
        found = describe(one, sop_class_uid=CT, transfer_syntax_uid=EXPLICIT)
        assert found.to_json()["voi_lut"] is None
        assert found.table is not None
        assert found.table.uri == "bulkdata/00283010/0/00283006"
        data = np.array([7, 8, 65535], "<u2").tobytes()
        assert found.table.of(data) == {"first": first, "bits": 16, "entries": [7, 8, 65535]}
        assert found.table.of(b"") is None


@pytest.mark.parametrize(
    ("changed", "spacing", "kind"),
    [
        ({"PixelSpacing": [0.5, 0.25]}, [0.5, 0.25], "pixel"),
        ({"ImagerPixelSpacing": [0.2, 0.2]}, [0.2, 0.2], "imager"),
        ({"PixelSpacing": [0.1, 0.1], "ImagerPixelSpacing": [0.2, 0.2]}, [0.1, 0.1], "pixel"),
        ({"PixelSpacing": [0.2, 0.2], "ImagerPixelSpacing": [0.2, 0.2]}, [0.2, 0.2], "imager"),
        (
            {
                "PixelSpacing": [0.2, 0.2],
                "ImagerPixelSpacing": [0.2, 0.2],
                "PixelSpacingCalibrationType": "FIDUCIAL",
            },
            [0.2, 0.2],
            "pixel",
        ),
        ({"NominalScannedPixelSpacing": [0.3, 0.3]}, [0.3, 0.3], "imager"),
        ({"PixelSpacing": [0, 0.5]}, None, "none"),
        ({"PixelSpacing": [0.5]}, None, "none"),
        ({}, None, "none"),
    ],
)
def test_where_spacing_is_from(changed: dict[str, Any], spacing: list[float] | None, kind: str) -> None:
    found = image(**changed).to_json()
    assert (found["spacing"], found["spacing_kind"]) == (spacing, kind)


def test_regions_of_ultrasound() -> None:
    whole = {
        "RegionLocationMinX0": 1, "RegionLocationMinY0": 2, "RegionLocationMaxX1": 8,
        "RegionLocationMaxY1": 7, "PhysicalDeltaX": 0.02, "PhysicalDeltaY": -0.5,
        "PhysicalUnitsXDirection": 3, "PhysicalUnitsYDirection": 7,
    }  # fmt: skip
    without = {name: value for name, value in whole.items() if name != "PhysicalDeltaX"}
    strange = {**whole, "PhysicalUnitsXDirection": 99}
    regions = DicomSequence([data_set(one) for one in (whole, without, strange)])
    found = image(SequenceOfUltrasoundRegions=regions).to_json()
    assert (found["spacing"], found["spacing_kind"]) == (None, "region")
    first = {"x0": 1, "y0": 2, "x1": 8, "y1": 7, "dx": 0.02, "dy": -0.5, "unit_x": "cm", "unit_y": "cm/s"}
    assert found["regions"] == [first, {**first, "unit_x": "none"}]


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"FrameTime": "40"}, 40),
        ({"FrameTimeVector": ["0", "30", "50"]}, [0, 30, 50]),
        ({"FrameTimeVector": ["0", "30"], "FrameTime": "40"}, 40),
        ({"CineRate": "25"}, 40),
        ({"RecommendedDisplayFrameRate": "50", "CineRate": "25"}, 20),
        ({"FrameTime": "0"}, None),
        ({}, None),
    ],
)
def test_times_of_frames(changed: dict[str, Any], expected: object) -> None:
    assert image(NumberOfFrames=3, **changed).to_json()["frame_times"] == expected
    assert image(NumberOfFrames=1, **changed).to_json()["frame_times"] is None


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"AcquisitionDateTime": "20240117101112.25+0100"}, "2024-01-17T10:11:12.250000"),
        ({"AcquisitionDate": "20240117", "AcquisitionTime": "10"}, "2024-01-17T10:00:00"),
        ({"ContentDate": "20240117", "ContentTime": "1011"}, "2024-01-17T10:11:00"),
        ({"AcquisitionDate": "20240117", "ContentTime": "1011"}, None),
        ({"AcquisitionDate": "20241317", "AcquisitionTime": "10"}, None),
        ({"AcquisitionDateTime": "2024"}, None),
    ],
)
def test_when_it_was_acquired(changed: dict[str, Any], expected: str | None) -> None:
    told = header({**IMAGE, **{name: value for name, value in changed.items() if value[:6] != "202413"}})
    for name, value in changed.items():
        told[key(keyword_dict[name])] = {"vr": "DA", "Value": [value]}
    found = describe(told, sop_class_uid=CT, transfer_syntax_uid=EXPLICIT)
    assert found.to_json()["acquired"] == expected


def test_faulty_elements_count_as_absent() -> None:
    sound = header(
        {
            **IMAGE, "ImagePositionPatient": [1, 2, 3], "ImageOrientationPatient": AXIAL,
            "PixelSpacing": [1, 1], "WindowCenter": "40", "WindowWidth": "400", "RescaleSlope": "1",
            "RescaleIntercept": "0", "InstanceNumber": 5, "PixelPaddingValue": 0, "SliceThickness": "1",
        }
    )  # fmt: skip
    whole = describe(sound, sop_class_uid=CT, transfer_syntax_uid=EXPLICIT).to_json()
    for tag in sound:
        wrong: dict[str, Any]
        for wrong in ({"Value": [None]}, {"Value": ["x"]}, {"Value": []}, {}, {"BulkDataURI": "bulkdata/x"}):
            found = describe(
                {**sound, tag: {"vr": sound[tag]["vr"], **wrong}},
                sop_class_uid=CT,
                transfer_syntax_uid=EXPLICIT,
            ).to_json()
            assert found["kind"] in ("image", "other")
            if found["kind"] == "image":
                assert set(found) == set(whole)
    skewed = image(ImagePositionPatient=[0, 0, 0], ImageOrientationPatient=[1, 0, 0, 1, 0, 0])
    assert skewed.to_json()["orientation"] is None


STRANGE: tuple[Any, ...] = (
    *(None, "x", "", "1.5", "A" * 1000, True, -1, 0, 255, 65536, 2**70, -(2**70)),
    *(1.5, 0.5, 1e308, -1e308, 5e-324, {"Alphabetic": "x"}, {}),
)


def broken(whole: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    """Some of its elements missing, or with values that they cannot have, at any depth."""
    found: dict[str, Any] = {}
    for tag, attribute in whole.items():
        vr, sequence = attribute["vr"], attribute["vr"] == "SQ"
        if chance.random() > 0.15:
            inner = [broken(item, chance) for item in attribute.get("Value", ())] if sequence else ()
            found[tag] = {"vr": "SQ", "Value": inner} if sequence else attribute
            continue
        strange = [{} if sequence else chance.choice(STRANGE) for _ in range(chance.randrange(7))]
        forms: tuple[dict[str, Any], ...] = (
            {},
            {"Value": strange},
            {"InlineBinary": chance.choice(["", "AAA=", "AAAA"])},
            {"BulkDataURI": "bulkdata/x"},
        )
        if chance.random() > 0.2:
            found[tag] = {"vr": vr, **chance.choice(forms)}
    return found


def test_whatever_a_header_says_a_stack_is_told() -> None:
    region = dict.fromkeys(("RegionLocationMinX0", "RegionLocationMinY0"), 1)
    region |= {"RegionLocationMaxX1": 5, "RegionLocationMaxY1": 5, "PhysicalUnitsXDirection": 3}
    frames = [
        {
            "PlanePositionSequence": items(ImagePositionPatient=[0, 0, z]),
            "FrameContentSequence": items(FrameAcquisitionDateTime="20240117101112"),
        }
        for z in range(3)
    ]
    shared = items(
        PlaneOrientationSequence=items(ImageOrientationPatient=AXIAL),
        PixelMeasuresSequence=items(PixelSpacing=[1, 1]),
    )
    whole = header(
        {
            **IMAGE, "NumberOfFrames": 3, "FrameTimeVector": ["0", "1", "2"], "ImagerPixelSpacing": [1, 2],
            "ImagePositionPatient": [1, 2, 3], "ImageOrientationPatient": AXIAL, "PixelSpacing": [1, 1],
            "WindowCenter": ["40", "50"], "WindowWidth": ["400", "1"], "RescaleSlope": "1",
            "RescaleIntercept": "0", "InstanceNumber": 5, "PixelPaddingValue": 0, "SliceThickness": "1",
            "VOILUTSequence": items(LUTDescriptor=[2, 0, 16], LUTData=b"abcd"), "CineRate": "5",
            "SequenceOfUltrasoundRegions": items(**region, PhysicalDeltaX=1.0, PhysicalDeltaY=1.0),
            "PixelAspectRatio": ["1", "1"], "PatientOrientation": ["A", "F"], "Units": "BQML",
            "SharedFunctionalGroupsSequence": shared, "AcquisitionDateTime": "20240117101112",
            "PerFrameFunctionalGroupsSequence": DicomSequence(map(data_set, frames)),
        }
    )  # fmt: skip
    kinds = set()
    for seed in range(400):
        chance = random.Random(seed)
        found = [
            describe(broken(whole, chance), sop_class_uid=CT, transfer_syntax_uid=EXPLICIT) for _ in range(2)
        ]
        orjson.dumps([(one.to_json(), one.range_of(0, 100)) for one in found])
        groups = grouped(found, chance.choice([None, "position", "acquisition", "instance"]))
        told = sorted(tuple(frame) for group in groups for frame in group["frames"])
        assert told == [
            (place, number + 1) for place, one in enumerate(found) for number in range(len(one.frames))
        ]
        kinds |= {one.kind for one in found}
    assert kinds == {"image", "other"}


@pytest.mark.parametrize(
    ("sop_class", "syntax", "changed", "kind"),
    [
        ("1.2.840.10008.5.1.4.1.1.104.1", EXPLICIT, {"PixelData": None}, "pdf"),
        ("1.2.840.10008.5.1.4.1.1.88.11", EXPLICIT, {"PixelData": None}, "report"),
        ("1.2.840.10008.5.1.4.1.1.77.1.1.1", MPEG4, {"SamplesPerPixel": 3}, "video"),
        ("1.2.840.10008.5.1.4.1.1.481.3", EXPLICIT, {"PixelData": None}, "other"),
        (CT, EXPLICIT, {"SamplesPerPixel": 4}, "other"),
        (CT, EXPLICIT, {"Rows": None}, "other"),
        (CT, "1.2.840.10008.1.2.4.110", {}, "image"),
    ],
)
def test_kinds(sop_class: str, syntax: str, changed: dict[str, Any], kind: str) -> None:
    found = image(sop_class, syntax, **changed)
    assert found.kind == found.to_json()["kind"] == kind


def test_no_element_is_read_that_is_not_asked_for() -> None:
    sources = "".join(map(inspect.getsource, (instances, regions, times)))
    named = {name for name in re.findall(r'"([A-Z]\w+)"', sources) if name in keyword_dict}
    tags = {key(keyword_dict[name]) for name in named}
    known = {*elements.ELEMENTS, *elements.MACROS}
    assert {key(keyword_dict[name]) for name in ("LUTDescriptor", "LUTData")} <= tags
    nested = {
        key(keyword_dict[name])
        for name in (
            "LUTDescriptor", "LUTData", "ModalityLUTType", "PhysicalDeltaX", "PhysicalDeltaY",
            "FrameAcquisitionDateTime", "FrameReferenceDateTime",
        )
    }  # fmt: skip
    assert tags - nested <= known
    assert len(known) == len(elements.ELEMENTS) + len(elements.MACROS)


# Groups and orders


def test_slices_are_scrolled_along_their_normal() -> None:
    heights = [3.0 * n for n in range(30)]
    random.Random(4).shuffle(heights)
    stack = [slice_at(z, 31 - n) for n, z in enumerate(heights)]
    (found,) = grouped(stack)
    assert (found["order"], found["normal"], found["spacing_between"]) == ("position", [0, 0, 1], 3)
    assert [heights[place] for place in order_of(found)] == sorted(heights)
    assert all(number == 1 for _, number in found["frames"])
    assert found["orders"] == ["position", "instance"]
    (found,) = grouped(stack, "instance")
    assert (found["order"], order_of(found)) == ("instance", list(range(29, -1, -1)))
    (found,) = grouped(stack, "acquisition")
    assert found["order"] == "position", "nothing tells when they were acquired"


def test_a_tilted_gantry_moves_slices_sideways() -> None:
    tilt = np.radians(20)
    orientation = [1, 0, 0, 0, float(np.cos(tilt)), float(-np.sin(tilt))]
    stack = [
        slice_at(5.0 * n, ImagePositionPatient=[0, 0, 5.0 * n], ImageOrientationPatient=orientation)
        for n in (2, 0, 1)
    ]
    (found,) = grouped(stack)
    assert (found["order"], order_of(found)) == ("position", [1, 2, 0])
    assert found["spacing_between"] == pytest.approx(5 * np.cos(tilt), abs=1e-3)


def test_distances_that_differ_are_none() -> None:
    (found,) = grouped([slice_at(z) for z in (0, 1, 2, 4)])
    assert found["spacing_between"] is None
    (found,) = grouped([slice_at(z) for z in (0, 1.001, 2, 2.999)])
    assert found["spacing_between"] == pytest.approx(1, abs=0.01)


def test_scouts_are_a_group_of_their_own() -> None:
    scouts = [
        slice_at(0, 1, ImageOrientationPatient=CORONAL, Rows=30),
        slice_at(0, 2, ImageOrientationPatient=SAGITTAL, Rows=40),
    ]
    stack = [*scouts, *(slice_at(float(z), 3 + z) for z in range(5))]
    axial, others = grouped(stack)
    assert (order_of(axial), axial["order"]) == ([2, 3, 4, 5, 6], "position")
    assert (order_of(others), others["normal"], others["orders"]) == ([0, 1], None, ["instance"])


@pytest.mark.parametrize(
    "other",
    [
        {"ImageOrientationPatient": SAGITTAL},
        {"PixelSpacing": [0.7, 0.7]},
        {"Rows": 16},
        {"FrameOfReferenceUID": "1.2.3"},
    ],
)
def test_other_geometries_are_other_groups(other: dict[str, Any]) -> None:
    stack = [slice_at(float(z), 10 - z, **(other if z % 2 else {})) for z in range(5)]
    for one in stack:
        assert one.kind == "image"
    found = grouped(stack)
    assert [len(one["frames"]) for one in found] == [3, 2]
    assert order_of(found[0]) == [0, 2, 4]
    almost = [slice_at(0), slice_at(1, ImageOrientationPatient=[1, 0.0004, 0, -0.0004, 1, 0])]
    assert len(grouped(almost)) == 1


@pytest.mark.parametrize(("times", "best"), [(True, "acquisition"), (False, "instance")])
def test_planes_that_lie_on_each_other_are_a_series_of_times(times: bool, best: StackOrder) -> None:
    def at(n: int) -> dict[str, Any]:
        told = {"AcquisitionDate": "20240117", "AcquisitionTime": f"1000{(40 - n) % 60:02}"}
        return told if times else {}

    stack = [slice_at(float(n % 2), n, **at(n)) for n in range(20)]
    (found,) = grouped(stack)
    assert found["order"] == best
    assert order_of(found) == (list(range(19, -1, -1)) if times else list(range(20)))
    (found,) = grouped(stack, "position")
    assert found["order"] == "position"
    assert [n % 2 for n in order_of(found)] == [0] * 10 + [1] * 10


def test_one_plane_twice_does_not_undo_the_order() -> None:
    (found,) = grouped([slice_at(float(z), n) for n, z in enumerate((3, 1, 1, 2, 0))])
    assert (found["order"], order_of(found)) == ("position", [4, 1, 2, 3, 0])


def test_without_a_place_the_number_orders() -> None:
    stack = [image(InstanceNumber=number, Rows=8 + n) for n, number in enumerate((3, None, 1, 2))]
    (found,) = grouped(stack)
    assert (found["order"], found["normal"], order_of(found)) == ("instance", None, [2, 3, 0, 1])


def test_too_many_directions_are_no_stack() -> None:
    angles = np.radians(np.arange(MOST_DIRECTIONS * 2 + 10))
    stack = [
        slice_at(0, n, ImageOrientationPatient=[float(np.cos(a)), float(np.sin(a)), 0, 0, 0, -1])
        for n, a in enumerate(np.repeat(angles, 2))
    ]
    found = grouped(stack)
    assert sum(len(one["frames"]) for one in found) == len(stack)
    assert len(found) == MOST_DIRECTIONS + 1


def enhanced(places: list[float], **changed: Any) -> StackedInstance:
    frames = DicomSequence(
        data_set(
            {
                "PlanePositionSequence": items(ImagePositionPatient=[0, 0, z]),
                "PixelValueTransformationSequence": items(
                    RescaleSlope=str(1 + n % 2), RescaleIntercept="0", RescaleType="HU"
                ),
                "FrameVOILUTSequence": items(WindowCenter="40", WindowWidth=str(100 + n)),
                "FrameContentSequence": items(FrameAcquisitionDateTime=f"2024011710{n:02}00"),
            }
        )
        for n, z in enumerate(places)
    )
    shared = items(
        PlaneOrientationSequence=items(ImageOrientationPatient=AXIAL),
        PixelMeasuresSequence=items(PixelSpacing=[0.5, 0.6], SliceThickness="2"),
    )
    told = {
        "NumberOfFrames": len(places),
        "SharedFunctionalGroupsSequence": shared,
        "PerFrameFunctionalGroupsSequence": frames,
    }
    return image(**{**told, **changed})


def test_functional_groups_of_enhanced_objects() -> None:
    made = enhanced([2, 0, 1])
    found = made.to_json()
    assert (found["spacing"], found["spacing_kind"], found["slice_thickness"]) == ([0.5, 0.6], "pixel", 2)
    assert (found["position"], found["slope"], found["unit"]) == ([0, 0, 2], 1, "HU")
    second, third = found["per_frame"][1:]
    assert found["per_frame"][0] == {}
    assert second["position"] == [0, 0, 0]
    assert second["slope"] == 2
    assert second["windows"] == [{"center": 40, "width": 101, "function": "LINEAR", "name": None}]
    assert set(third) == {"position", "windows"}, "what is as in the first is not repeated"
    assert made.range_of(0, 10) is None, "the frames have scales of their own"
    (group,) = grouped([made])
    assert group["frames"] == [[0, 2], [0, 3], [0, 1]]
    assert group["orders"] == ["position", "acquisition", "instance"]
    (group,) = grouped([made], "acquisition")
    assert group["frames"] == [[0, 1], [0, 2], [0, 3]]


def test_several_enhanced_objects_are_one_stack() -> None:
    (group,) = grouped([enhanced([0, 2]), enhanced([3, 1])])
    assert group["frames"] == [[0, 1], [1, 2], [0, 2], [1, 1]]


def test_missing_groups_of_frames_are_those_that_all_share() -> None:
    made = enhanced([0, 1], NumberOfFrames=4, ImagePositionPatient=[9, 9, 9])
    assert [one.position for one in made.frames] == [(0, 0, 0), (0, 0, 1), (9, 9, 9), (9, 9, 9)]


def test_clips_and_what_is_no_image() -> None:
    stack = [
        image("1.2.840.10008.5.1.4.1.1.104.1", PixelData=None, InstanceNumber=1),
        image(NumberOfFrames=3, InstanceNumber=3, FrameTime="40"),
        image(InstanceNumber=4),
        image(NumberOfFrames=2, InstanceNumber=2),
    ]
    clip, other, still, document = grouped(stack)
    assert [clip["frames"], other["frames"]] == [[[3, 1], [3, 2]], [[1, 1], [1, 2], [1, 3]]]
    assert (still["frames"], document["frames"]) == ([[2, 1]], [[0, 1]])
    assert grouped([]) == []
