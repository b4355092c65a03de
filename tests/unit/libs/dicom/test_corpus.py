"""Averages of real files against computations that share nothing with the code under test.

The files are those that the pydicom wheel ships; with CORPUS_DIR set, also those of its reference.tsv, whose
values DCMTK and GDCM computed.
"""

from __future__ import annotations

import csv
import io
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom.pixels import iter_pixels

from libs.dicom.faults import DicomFault
from libs.dicom.measure.analysis import analyse
from tests import wheel
from tests.unit.libs.dicom.pixel_support import measured

CORPUS = os.environ.get("CORPUS_DIR")

_JPEG = "1.2.840.10008.1.2.4."
_LOSSY = {_JPEG + process for process in ("50", "51", "81", "91", "203")}
_OTHER_DECODERS = {
    _JPEG + "50": "gdcm",
    _JPEG + "57": "gdcm",
    _JPEG + "70": "gdcm",
    _JPEG + "80": "gdcm",
    _JPEG + "81": "gdcm",
    _JPEG + "90": "gdcm",
    _JPEG + "91": "gdcm",
    "1.2.840.10008.1.2.5": "pydicom",
}
"""Not the libraries that the code under test uses, but for lossless JPEG, which only gdcm decodes."""

_DCMTK_12_BIT = (262144, 0, 264, 14.369991302490234, 0.054431785236705436)
"""Count, minimum, maximum, mean and normalised mean by DCMTK 3.6.7: pydicom decodes no 12-bit JPEG."""

_DAMAGED = "test_files/JPEG2000-embedded-sequence-delimiter.dcm"
"""Its header is sound, but bytes of the codestream's size are overwritten with a sequence delimiter."""

MEASURED = [name for name in wheel.sound_names() if name != _DAMAGED]


def corpus_rows() -> list[dict[str, str]]:
    if not CORPUS:
        return []
    with (Path(CORPUS) / "reference.tsv").open(encoding="utf-8", newline="") as table:
        return [row for row in csv.DictReader(table, delimiter="\t") if row["status"] == "ok"]


def reference(path: Path) -> tuple[int, int, int, float, float] | None:
    """Count, minimum, maximum, mean and normalised mean, the plain way; None without pixel data."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data_set = pydicom.dcmread(path)
        if "PixelData" not in data_set:
            return None
        uid = data_set.file_meta.TransferSyntaxUID
        if uid == _JPEG + "51":
            return _DCMTK_12_BIT
        frames = compressed(data_set) if uid.is_encapsulated else native(data_set)
        values = np.concatenate([frame.reshape(-1) for frame in frames]).astype(np.int64)
    low, high = int(values.min()), int(values.max())
    normalized = float(np.mean((values - low) / (high - low))) if high > low else 0.0
    return values.size, low, high, float(np.mean(values)), normalized


def native(data_set: pydicom.Dataset) -> Iterator[NDArray[Any]]:
    """Take the pixel data element apart by its definition, the whole of it at once."""
    frames = data_set.get("NumberOfFrames", 1)
    frames = int(frames) if str(frames).isdigit() else 1
    count = frames * data_set.Rows * data_set.Columns * data_set.SamplesPerPixel
    if data_set.PhotometricInterpretation == "YBR_FULL_422":
        count = count * 2 // 3
    if data_set.BitsAllocated == 1:
        yield np.unpackbits(np.frombuffer(data_set.PixelData, np.uint8), bitorder="little")[:count]
        return
    order = "<" if data_set.file_meta.TransferSyntaxUID.is_little_endian else ">"
    data = data_set.PixelData
    if order == ">" and data_set.BitsAllocated == 8 and data_set["PixelData"].VR == "OW":
        data = np.frombuffer(data, ">u2").astype("<u2").tobytes()
    words = np.frombuffer(data, f"{order}u{data_set.BitsAllocated // 8}")[:count].astype(np.int64)
    yield stored_values(words, data_set, data_set.HighBit)


def compressed(data_set: pydicom.Dataset) -> Iterator[NDArray[Any]]:
    uid = data_set.file_meta.TransferSyntaxUID
    # pydicom's own sign correction fails on the read-only arrays of other decoders.
    for frame in iter_pixels(
        data_set, raw=True, decoding_plugin=_OTHER_DECODERS[uid], apply_j2k_sign_correction=False
    ):
        yield stored_values(frame.astype(np.int64), data_set, data_set.BitsStored - 1)


def stored_values(words: NDArray[np.int64], data_set: pydicom.Dataset, high: int) -> NDArray[np.int64]:
    """Bits Stored bits at `high`, in plain arithmetic (PS3.5 8.1.1)."""
    stored = int(data_set.BitsStored)
    values: NDArray[np.int64] = words // 2 ** (high + 1 - stored) % 2**stored
    if data_set.PixelRepresentation:
        values -= 2**stored * (values >= 2 ** (stored - 1))
    return values


@pytest.mark.parametrize("name", MEASURED)
def test_wheel_file_equals_an_independent_computation(name: str) -> None:
    analysis = measured(wheel.path_of(name).read_bytes())
    expected = reference(wheel.path_of(name))
    facts = analysis.statistics
    if expected is None:
        assert facts["kind"] == "no-pixel-data"
        assert analysis.average_before_normalization is None
        assert analysis.data_size is None
        return
    count, low, high, mean, normalized = expected
    lossy = facts["transfer_syntax_uid"] in _LOSSY
    assert facts["count"] == count
    assert facts["min"] == pytest.approx(low, abs=3 if lossy else 0)
    assert facts["max"] == pytest.approx(high, abs=3 if lossy else 0)
    grey_level = 1 if lossy else 0
    assert analysis.average_before_normalization == pytest.approx(mean, rel=1e-9, abs=grey_level)
    assert analysis.average_after_normalization == pytest.approx(
        normalized, rel=1e-9, abs=2 * grey_level / max(high - low, 1)
    )
    assert sum(facts["histogram"]["counts"]) == count
    assert analysis.thumbnail is not None, facts["thumbnail_missing"]


@pytest.mark.parametrize("name", MEASURED)
def test_an_object_without_places_in_its_trailer_is_measured_the_same(name: str) -> None:
    data = wheel.path_of(name).read_bytes()
    assert analyse(io.BytesIO(data)) == measured(data)


@pytest.mark.parametrize("name", wheel.BROKEN)
def test_what_is_refused_when_it_comes_in_is_refused_without_a_trailer_too(name: str) -> None:
    with wheel.path_of(name).open("rb") as stream, pytest.raises(DicomFault) as refused:
        analyse(stream)
    assert refused.value.code == wheel.BROKEN[name][0]


def test_a_sound_header_over_a_damaged_codestream_is_refused() -> None:
    with pytest.raises(DicomFault) as refused:
        measured(wheel.path_of(_DAMAGED).read_bytes())
    assert refused.value.code == "pixel-data-invalid"


@pytest.mark.parametrize("row", corpus_rows(), ids=lambda row: row["path"])
def test_corpus_file_equals_its_reference(row: dict[str, str]) -> None:
    assert CORPUS is not None
    data = (Path(CORPUS) / row["path"]).read_bytes()
    analysis = measured(data)
    assert analysis == analyse(io.BytesIO(data))
    facts = analysis.statistics
    grey_level = 1 if row["transfer_syntax_uid"] in _LOSSY else 0
    assert facts["count"] == int(row["n"])
    assert facts["min"] == pytest.approx(float(row["min"]), abs=3 * grey_level)
    assert facts["max"] == pytest.approx(float(row["max"]), abs=3 * grey_level)
    assert analysis.average_before_normalization == pytest.approx(
        float(row["mean"]), rel=1e-9, abs=grey_level
    )
    normalized = 0.0 if row["mean_normalised"] == "const" else float(row["mean_normalised"])
    assert analysis.average_after_normalization == pytest.approx(normalized, rel=1e-9, abs=grey_level / 100)
    assert analysis.thumbnail is not None, facts["thumbnail_missing"]


def test_no_corpus_file_ends_in_anything_but_a_result_or_a_fault() -> None:
    if not CORPUS:
        return
    with (Path(CORPUS) / "manifest.tsv").open(encoding="utf-8", newline="") as table:
        names = [row["path"] for row in csv.DictReader(table, delimiter="\t")]
    for name in names:
        try:
            kind = measured((Path(CORPUS) / name).read_bytes()).statistics["kind"]
        except DicomFault as fault:
            kind = fault.code
        assert kind, name
