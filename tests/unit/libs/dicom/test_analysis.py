"""What one analysis answers: the facts besides the averages, their form, and what they cost."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

from libs.dicom.measure.analysis import FRAME_MEANS_SENT, METHOD_VERSION, analyse
from tests.builders import (
    DEFLATED,
    ENCODINGS,
    EXPLICIT_BE,
    EXPLICIT_LE,
    ct_elements,
    ct_instance,
    data_set,
    instance,
    write_large,
)
from tests.encoder import LITTLE, PIXEL_DATA
from tests.unit.libs.dicom.pixel_support import measured

WHEEL = Path(pydicom.__file__).parent / "data" / "test_files"
RNG = np.random.default_rng(5)


def facts_of(**elements: Any) -> dict[str, Any]:
    return measured(ct_instance(**elements)).statistics


def test_statistics_of_an_image() -> None:
    values = RNG.integers(0, 4096, (2, 30, 40)).astype(np.uint16)
    analysis = measured(ct_instance(30, 40, frames=2, pixels=values))
    facts = analysis.statistics
    assert facts["kind"] == "pixel-data"
    assert facts["method_version"] == METHOD_VERSION
    assert facts["transfer_syntax_uid"] == EXPLICIT_LE
    assert facts["frames"] == 2
    assert (facts["min"], facts["max"]) == (values.min(), values.max())
    assert facts["mean"] == analysis.average_before_normalization
    assert facts["std"] == pytest.approx(values.std())
    assert [facts["p01"], facts["median"], facts["p99"]] == pytest.approx(
        np.percentile(values, [1, 50, 99]).tolist()
    )
    histogram = facts["histogram"]
    assert len(histogram["counts"]) == histogram["bins"] == 256
    shares = np.array(histogram["counts"])[np.array(histogram["counts"]) > 0] / values.size
    assert facts["entropy"] == pytest.approx(-(shares * np.log2(shares)).sum())
    low, high = int(values.min()), int(values.max())
    assert analysis.average_after_normalization == pytest.approx(((values - low) / (high - low)).mean())


@pytest.mark.parametrize("name", ["CT_small.dcm", "rtdose.dcm", "liver_1frame.dcm", "rtplan.dcm"])
def test_statistics_are_plain_json(name: str) -> None:
    with (WHEEL / name).open("rb") as stream:
        statistics = analyse(stream).statistics
    assert json.loads(json.dumps(statistics, allow_nan=False)) == statistics


def test_floats_that_are_not_finite_leave_plain_json() -> None:
    for values in ([math.nan, 1.0, math.inf, -1e308, 1e308, 2.0], [math.nan] * 6):
        elements = {**ct_elements(2, 3, 16, None, 0), "BitsAllocated": None, "BitsStored": None}
        raw = np.array(values).tobytes()
        analysis = measured(instance(elements, LITTLE.element(0x7FE00009, "OD", raw)))
        json.dumps(analysis.statistics, allow_nan=False)
        assert analysis.data_size == 48
        assert analysis.statistics["nonfinite"] == sum(not math.isfinite(v) for v in values)
        assert (analysis.average_before_normalization is None) == (not any(map(math.isfinite, values)))


def test_an_object_without_pixel_data_is_no_fault() -> None:
    analysis = measured(instance({"Modality": "SR"}))
    assert analysis.statistics == {
        "kind": "no-pixel-data",
        "method_version": METHOD_VERSION,
        "transfer_syntax_uid": EXPLICIT_LE,
    }
    assert analysis.average_before_normalization is None
    assert analysis.average_after_normalization is None
    assert analysis.data_size is None
    assert analysis.thumbnail is None


def test_an_object_without_pixel_data_may_have_any_transfer_syntax() -> None:
    data = instance({"Modality": "SR"}, transfer_syntax="1.2.840.10008.1.2.4.102")
    assert measured(data).statistics["kind"] == "no-pixel-data"


def test_mean_in_modality_units() -> None:
    analysis = measured(ct_instance(RescaleSlope="0.5", RescaleIntercept="-1000", RescaleType="HU"))
    modality = analysis.statistics["modality"]
    assert modality == {"mean": analysis.statistics["mean"] * 0.5 - 1000, "unit": "HU"}


@pytest.mark.parametrize(("modality", "unit"), [("CT", "HU"), ("PT", None)])
def test_unit_of_a_rescale_without_type(modality: str, unit: str | None) -> None:
    assert facts_of(Modality=modality, RescaleType=None)["modality"]["unit"] == unit


@pytest.mark.parametrize(
    "wrong", [{"RescaleSlope": None}, {"RescaleSlope": "steep"}, {"RescaleIntercept": ""}]
)
def test_a_faulty_rescale_counts_as_none(wrong: dict[str, Any]) -> None:
    assert facts_of(**wrong)["modality"] is None


def test_mean_through_a_modality_lookup_table() -> None:
    values = np.array([[0, 10, 11, 12, 900]], np.uint16)
    table = LITTLE.element(0x00283002, "US", [3, 10, 16]) + LITTLE.element(0x00283004, "LO", "OD")
    table += LITTLE.element(0x00283006, "OW", np.array([100, 200, 400], "<u2").tobytes())
    sequence = LITTLE.sequence(0x00283000, [table])
    elements = {**ct_elements(1, 5, 16, None, 0), "RescaleSlope": None, "RescaleIntercept": None}
    tail = sequence + LITTLE.element(PIXEL_DATA, "OW", values.tobytes())
    modality = measured(instance(elements, tail)).statistics["modality"]
    assert modality == {"mean": (100 + 100 + 200 + 400 + 400) / 5, "unit": "OD"}


@pytest.mark.parametrize("syntax", [EXPLICIT_LE, EXPLICIT_BE, DEFLATED])
@pytest.mark.parametrize(("vr", "entries"), [("OW", 3), ("OW", 600), ("US", 3), ("US", 2500)])
def test_a_lookup_table_may_be_bulk_data_in_either_byte_order(syntax: str, vr: str, entries: int) -> None:
    """More than 1024 bytes of OW, or 4096 of US, are no part of the header's JSON."""
    encoding = ENCODINGS.get(syntax, LITTLE)
    looked_up = np.arange(entries) * 7 + 300
    table = encoding.element(0x00283002, "US", [entries, 0, 16])
    raw = looked_up.astype(f"{encoding.order}u2").tobytes()
    sequence = encoding.sequence(0x00283000, [table + encoding.element(0x00283006, vr, raw)])
    values = np.arange(entries, dtype=f"{encoding.order}u2")
    elements = {**ct_elements(1, entries, 16, None, 0), "RescaleSlope": None, "RescaleIntercept": None}
    tail = sequence + encoding.element(PIXEL_DATA, "OW", values.tobytes())
    analysis = measured(instance(elements, tail, transfer_syntax=syntax))
    assert analysis.statistics["modality"]["mean"] == pytest.approx(looked_up.mean())


def test_a_value_longer_than_any_lookup_table_is_not_read() -> None:
    table = LITTLE.element(0x00283002, "US", [3, 10, 16]) + LITTLE.element(0x00283006, "OW", bytes(33 << 20))
    elements = {**ct_elements(1, 5, 16, None, 0), "RescaleSlope": None, "RescaleIntercept": None}
    tail = LITTLE.sequence(0x00283000, [table]) + LITTLE.element(PIXEL_DATA, "OW", bytes(10))
    assert measured(instance(elements, tail)).statistics["modality"] is None


@pytest.mark.parametrize("undefined", [False, True])
def test_mean_with_a_rescale_per_frame(undefined: bool) -> None:
    values = RNG.integers(0, 4096, (3, 8, 8)).astype(np.uint16)
    macros = [
        LITTLE.sequence(
            0x00289145,
            [data_set({"RescaleSlope": str(slope), "RescaleIntercept": "7", "RescaleType": "US"})],
            undefined=undefined,
        )
        for slope in (1, 2, 4)
    ]
    groups = LITTLE.sequence(0x52009230, macros, undefined=undefined)
    elements = {**ct_elements(8, 8, 16, 3, 0), "RescaleSlope": None, "RescaleIntercept": None}
    tail = groups + LITTLE.element(PIXEL_DATA, "OW", values.tobytes())
    modality = measured(instance(elements, tail)).statistics["modality"]
    expected = np.mean([values[frame].mean() * slope + 7 for frame, slope in enumerate((1, 2, 4))])
    assert modality == {"mean": pytest.approx(expected), "unit": "US"}


def test_mean_without_padding() -> None:
    values = RNG.integers(100, 200, (10, 10)).astype(np.int16)
    values[:2] = -2000
    values[2] = -1990
    padded: dict[str, Any] = {
        "PixelRepresentation": 1,
        "BitsStored": 16,
        "HighBit": 15,
        "PixelPaddingValue": 0x10000 - 2000,
    }
    only = measured(ct_instance(10, 10, pixels=values, **padded)).statistics["padding"]
    assert only == {
        "low": -2000,
        "high": -2000,
        "count": 20,
        "mean_without": pytest.approx(values[2:].mean()),
    }
    span = {**padded, "PixelPaddingRangeLimit": 0x10000 - 1900}
    both = measured(ct_instance(10, 10, pixels=values, **span)).statistics["padding"]
    assert (both["low"], both["high"], both["count"]) == (-2000, -1900, 30)
    assert both["mean_without"] == pytest.approx(values[3:].mean())


def test_nothing_but_padding_has_no_mean_without() -> None:
    facts = measured(ct_instance(4, 4, pixels=b"\5\0" * 16, PixelPaddingValue=5)).statistics
    assert facts["padding"] == {"low": 5, "high": 5, "count": 16, "mean_without": None}
    assert facts_of()["padding"] is None


def test_frame_means_stay_few_enough_for_an_event() -> None:
    frames = FRAME_MEANS_SENT
    means = [float(frame % 256) for frame in range(frames + 1)]
    pixels = b"".join(bytes([frame % 256]) * 4 for frame in range(frames + 1))
    few = measured(ct_instance(2, 2, 8, frames=frames, pixels=pixels))
    assert few.statistics["frames"] == frames
    assert few.statistics["frame_means"] == few.frame_means == means[:frames]
    assert few.statistics["frame_means_stored"] is False
    many = measured(ct_instance(2, 2, 8, frames=frames + 1, pixels=pixels))
    assert many.statistics["frames"] == frames + 1
    assert many.statistics["frame_means"] is None
    assert many.statistics["frame_means_stored"] is True
    assert many.frame_means == means


def test_memory_does_not_grow_with_the_number_of_frames(tmp_path: Path) -> None:
    path = tmp_path / "large.dcm"
    written = write_large(path, 192 << 20)
    script = (
        "import resource, sys\n"
        "from libs.dicom.measure.analysis import analyse\n"
        "analyse(open('{small}', 'rb'))\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "found = analyse(open(sys.argv[1], 'rb'))\n"
        "print(found.average_before_normalization.hex(), found.statistics['max'])\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    ).format(small=WHEEL / "CT_small.dcm")
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True
    ).stdout.split()
    assert float.fromhex(done[0]) == written.total / written.values
    assert int(done[1]) == written.maximum
    assert int(done[2]) < 24 << 10, "kilobytes"
