"""The data set's structure, caps, UIDs, the extent of the image, and input built to break the reader."""

from __future__ import annotations

import io
import itertools
import struct
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.dicom.faults import DicomFault
from libs.dicom.parse.header import Header, HeaderLimits, read_header
from tests import builders, wheel
from tests.builders import (
    DEFLATED,
    EXPLICIT_BE,
    EXPLICIT_LE,
    IMPLICIT_LE,
    JPEG_2000_LOSSLESS,
    JPEG_BASELINE,
    MPEG4_HP41,
    ct_instance,
    encapsulated_instance,
    instance,
)
from tests.encoder import LITTLE, PIXEL_DATA, UNDEFINED, Encoding, Value

SEQUENCE = 0x00400275
AFTER = 0x00401400
"""An LT element that comes after the sequence in tag order."""
ITEM_HEAD = struct.pack("<HHI", 0xFFFE, 0xE000, UNDEFINED)


def header_of(data: bytes, limits: HeaderLimits | None = None) -> Header:
    return read_header(io.BytesIO(data), len(data), limits or HeaderLimits())


def fault_of(data: bytes, limits: HeaderLimits | None = None) -> DicomFault:
    with pytest.raises(DicomFault) as caught:
        header_of(data, limits)
    return caught.value


class CountingStream(io.BytesIO):
    """Counts the bytes that were read."""

    read_bytes = 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self.read_bytes += len(data)
        return data


# Facts.


def test_the_facts_of_a_ct_slice() -> None:
    header = header_of(ct_instance(rows=48, columns=64, seed=3))
    assert header.sop_class_uid == builders.CT_IMAGE_STORAGE
    assert header.sop_instance_uid == f"{builders.UID_ROOT}.4.3"
    assert header.study_instance_uid == f"{builders.UID_ROOT}.2"
    assert header.series_instance_uid == f"{builders.UID_ROOT}.3"
    assert header.modality == "CT"
    assert (header.bits_allocated, header.bits_stored, header.high_bit) == (16, 12, 11)
    assert (header.samples_per_pixel, header.pixel_representation) == (1, 0)
    assert header.photometric_interpretation == "MONOCHROME2"
    assert header.decoded_bytes == 48 * 64 * 2
    assert header.has_pixel_data
    assert header.dicom_json["7FE00010"] == {"vr": "OW", "BulkDataURI": "bulkdata/7FE00010"}


def test_an_object_without_pixel_data() -> None:
    header = header_of(instance({"Modality": "SR"}))
    assert not header.has_pixel_data
    assert header.decoded_bytes is None
    assert header.rows is None


def test_pixels_are_not_read() -> None:
    data = ct_instance(rows=2048, columns=2048)
    stream = CountingStream(data)
    read_header(stream, len(data), HeaderLimits())
    assert stream.read_bytes <= 64 << 10


def test_fragments_are_passed_by_their_item_headers() -> None:
    data = encapsulated_instance([bytes(200_000)] * 20, frames=20)
    stream = CountingStream(data)
    assert read_header(stream, len(data), HeaderLimits()).has_pixel_data
    assert stream.read_bytes <= 200_000


def test_a_file_of_many_gigabytes(tmp_path: Path) -> None:
    path = tmp_path / "sparse.dcm"
    frames, frame = 40_000, 512 * 512 * 2
    head = encapsulated_instance([], frames=frames, end=False, Rows=512, Columns=512, BitsAllocated=16)
    fragment = struct.pack("<HHI", 0xFFFE, 0xE000, frame * frames // 6)
    with path.open("wb") as out:
        out.write(head)
        for _ in range(6):
            out.write(fragment)
            out.seek(frame * frames // 6, io.SEEK_CUR)
        out.write(struct.pack("<HHI", 0xFFFE, 0xE0DD, 0))
    size = path.stat().st_size
    assert size > 16 << 30
    with path.open("rb") as stream, pytest.raises(DicomFault) as caught:
        read_header(stream, size, HeaderLimits())
    assert "6 fragments" in caught.value.detail


def test_a_stream_shorter_than_said() -> None:
    data = ct_instance()
    with pytest.raises(DicomFault) as caught:
        read_header(io.BytesIO(data[:400]), len(data), HeaderLimits())
    assert caught.value.code == "truncated"


# UIDs.


@pytest.mark.parametrize(
    "keyword", ["SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"]
)
@pytest.mark.parametrize("uid", ["1.2.x", "1.2\n", "1." + "2" * 63, "1.2\\1.3", "../../etc/passwd"])
def test_malformed_uids_are_refused(keyword: str, uid: str) -> None:
    assert fault_of(instance({keyword: uid})).code == "invalid-uid"


def test_a_uid_that_is_no_text_is_refused() -> None:
    data = instance({"StudyInstanceUID": None}, LITTLE.element(0x0020000D, "OB", b"\1\2"))
    assert fault_of(data).code == "invalid-uid"


def test_the_file_meta_information_stands_in_for_missing_uids() -> None:
    header = header_of(instance({"SOPClassUID": None, "SOPInstanceUID": None}))
    assert header.sop_class_uid == builders.CT_IMAGE_STORAGE
    assert header.sop_instance_uid == f"{builders.UID_ROOT}.1"
    assert len(header.warnings) == 2
    assert all("of the file meta information is used" in warning for warning in header.warnings)


@pytest.mark.parametrize("uid", ["1.2.x", "1.2\\1.3", "1." + "2" * 63])
def test_a_uid_that_stands_in_must_be_one(uid: str) -> None:
    data = builders.data_set({"SOPClassUID": "1.2.3"})
    assert fault_of(builders.part10(data, sop_class_uid="1.2.3", sop_instance_uid=uid)).code == "invalid-uid"
    data = builders.data_set({"SOPInstanceUID": "1.2.3"})
    assert fault_of(builders.part10(data, sop_class_uid=uid, sop_instance_uid="1.2.3")).code == "invalid-uid"


def test_the_data_sets_own_uid_counts() -> None:
    data = builders.data_set({"SOPClassUID": "1.2.3", "SOPInstanceUID": "1.2.4"})
    header = header_of(builders.part10(data, sop_class_uid="1.2.3", sop_instance_uid="1.2.5"))
    assert header.sop_instance_uid == "1.2.4"
    assert "another one" in header.warnings[0]


def test_an_instance_without_any_uid_is_refused() -> None:
    data = bytes(128) + b"DICM" + LITTLE.element(0x00020010, "UI", EXPLICIT_LE)
    assert fault_of(data + LITTLE.element(0x00080060, "CS", "CT")).code == "missing-uid"


def test_study_and_series_may_be_missing_or_empty() -> None:
    header = header_of(instance({"StudyInstanceUID": "", "SeriesInstanceUID": None}))
    assert header.study_instance_uid is None
    assert header.series_instance_uid is None


def test_a_modality_that_is_free_text_stays_in_the_json_only() -> None:
    header = header_of(instance({"Modality": "Jane Doe"}))
    assert header.modality is None
    assert header.dicom_json["00080060"]["Value"] == ["Jane Doe"]


# Lengths.


@pytest.mark.parametrize("length", [1000, 0x7FFFFFFF, 0xFFFFFFF0])
def test_a_length_beyond_the_file_is_refused_without_allocating(length: int) -> None:
    data = builders.absurd_length(length=length)
    tracemalloc.start()
    try:
        fault = fault_of(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert fault.code == "length-beyond-file"
    assert "(0042,0011) EncapsulatedDocument" in fault.detail
    assert peak < 1 << 20


@pytest.mark.parametrize("missing", [1, 100, 8000])
def test_native_pixel_data_cut_off(missing: int) -> None:
    assert fault_of(builders.truncated(ct_instance(), missing=missing)).code == "truncated"


def test_a_cut_anywhere_is_noticed() -> None:
    data = ct_instance(rows=4, columns=4)
    for end in range(len(data)):
        try:
            header = header_of(data[:end])
        except DicomFault:
            continue
        # Cut off between two elements the rest is a sound data set, but no image any more.
        assert header.sop_instance_uid
        assert not header.has_pixel_data
        assert header.bits_allocated is None or "no pixel data" in header.warnings[-1]


@pytest.mark.parametrize("missing", [1, 8, 9, 400])
def test_encapsulated_pixel_data_cut_off(missing: int) -> None:
    data = encapsulated_instance([bytes(300), bytes(300)], frames=2)
    assert fault_of(data[:-missing]).code == "truncated"


def test_a_value_longer_than_its_item_costs_only_itself() -> None:
    lying = LITTLE.element(0x00081150, "LO", b"1.2", length=60)
    data = instance({}, LITTLE.sequence(SEQUENCE, [lying]) + LITTLE.element(AFTER, "LT", "x" * 100))
    header = header_of(data)
    assert header.dicom_json["00400275"] == {"vr": "SQ", "Value": [{}]}
    assert header.dicom_json["00401400"]["Value"] == ["x" * 100]
    assert "(0008,1150)" in header.warnings[0]


def test_zero_bytes_at_the_end_are_padding() -> None:
    header = header_of(ct_instance() + bytes(5000))
    assert "zero bytes" in header.warnings[0]


def test_zero_bytes_in_the_middle_are_damage() -> None:
    data = instance({}, bytes(512) + LITTLE.element(AFTER, "LT", "x"))
    assert fault_of(data).code == "invalid-element"


def test_a_few_bytes_too_many_are_ignored() -> None:
    assert "ignored" in header_of(ct_instance() + b"\xff\xff\xff").warnings[0]


# Nesting.


@pytest.mark.parametrize("undefined", [True, False])
@pytest.mark.parametrize("encoding", [Encoding(), Encoding(implicit=True), Encoding(little=False)])
def test_sequences_of_both_kinds(encoding: Encoding, undefined: bool) -> None:
    inner = encoding.sequence(0x0040A730, [encoding.element(0x00080100, "SH", "deep")], undefined=undefined)
    tail = encoding.sequence(SEQUENCE, [inner, b""], undefined=undefined)
    syntax = {(True, True): IMPLICIT_LE, (False, True): EXPLICIT_LE, (False, False): EXPLICIT_BE}
    data = instance({}, tail, transfer_syntax=syntax[encoding.implicit, encoding.little])
    deep = {"00080100": {"vr": "SH", "Value": ["deep"]}}
    expected = {"vr": "SQ", "Value": [{"0040A730": {"vr": "SQ", "Value": [deep]}}, {}]}
    header = header_of(data)
    assert header.dicom_json["00400275"] == expected
    assert header.warnings == ()


@pytest.mark.parametrize("undefined", [True, False])
def test_nesting_is_capped(undefined: bool) -> None:
    header_of(builders.deeply_nested(32, undefined=undefined))
    assert fault_of(builders.deeply_nested(33, undefined=undefined)).code == "header-too-deep"
    assert fault_of(builders.deeply_nested(2000, undefined=undefined)).code == "header-too-deep"


def test_a_sequence_cut_off() -> None:
    data = instance({}, LITTLE.element(SEQUENCE, "SQ", b"", length=UNDEFINED) + ITEM_HEAD)
    assert fault_of(data).code == "truncated"


def test_an_item_without_its_delimiter() -> None:
    content = LITTLE.element(0x00081150, "UI", "1.2")
    sequence = LITTLE.element(SEQUENCE, "SQ", b"", length=UNDEFINED) + ITEM_HEAD + content
    data = instance({}, sequence + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0) + LITTLE.element(AFTER, "LT", "x"))
    header = header_of(data)
    assert header.dicom_json["00400275"]["Value"] == [{"00081150": {"vr": "UI", "Value": ["1.2"]}}]
    assert header.dicom_json["00401400"]["Value"] == ["x"]


def test_what_is_no_item_ends_a_sequence_of_known_length() -> None:
    body = LITTLE.item(b"") + b"garbage, garbage"
    data = instance({}, LITTLE.element(SEQUENCE, "SQ", body) + LITTLE.element(AFTER, "LT", "x"))
    header = header_of(data)
    assert header.dicom_json["00400275"]["Value"] == [{}]
    assert header.dicom_json["00401400"]["Value"] == ["x"]
    assert "no item" in header.warnings[0]


def test_what_is_no_item_breaks_a_sequence_of_unknown_length() -> None:
    data = instance({}, LITTLE.element(SEQUENCE, "SQ", b"", length=UNDEFINED) + b"garbage, garbage")
    assert fault_of(data).code == "invalid-sequence"


def test_an_unknown_sequence_is_implicit_inside() -> None:
    inside = Encoding(implicit=True).element(0x00081150, "UI", "1.2")
    head = LITTLE.element(SEQUENCE, "UN", b"", length=UNDEFINED)
    data = instance({}, head + LITTLE.item(inside) + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0))
    assert header_of(data).dicom_json["00400275"]["Value"] == [{"00081150": {"vr": "UI", "Value": ["1.2"]}}]


def test_an_icon_does_not_count_as_the_image() -> None:
    icon = LITTLE.element(0x00280010, "US", 2) + LITTLE.encapsulated([b"abcd"])
    header = header_of(instance({}, LITTLE.sequence(0x00880200, [icon])))
    assert not header.has_pixel_data
    (item,) = header.dicom_json["00880200"]["Value"]
    assert item["7FE00010"] == {"vr": "OB", "BulkDataURI": "bulkdata/00880200/1/7FE00010"}


# Caps.


def test_elements_are_capped() -> None:
    limits = HeaderLimits(max_elements=2000)
    header_of(builders.many_elements(1900), limits)
    assert fault_of(builders.many_elements(2100), limits).code == "too-many-elements"


def test_header_bytes_are_capped() -> None:
    texts = b"".join(LITTLE.element(0x00090010 + n, "LT", "x" * 1000) for n in range(64))
    limits = HeaderLimits(max_bytes=50_000)
    assert fault_of(instance({}, texts), limits).code == "header-too-large"


def test_single_values_are_capped() -> None:
    numbers = b"".join(LITTLE.element(0x00091000 + n, "US", [7] * 1000) for n in range(10))
    header_of(instance({}, numbers), HeaderLimits())
    assert fault_of(instance({}, numbers), HeaderLimits(max_values=9000)).code == "header-too-large"


def test_bulk_data_do_not_count_as_header() -> None:
    tail = LITTLE.element(0x00091010, "OB", bytes(100_000)) + LITTLE.element(0x00091011, "UT", b"x" * 100_000)
    header = header_of(instance({}, tail), HeaderLimits(max_bytes=50_000))
    assert header.dicom_json["00091010"]["BulkDataURI"] == "bulkdata/00091010"
    assert header.dicom_json["00091011"]["BulkDataURI"] == "bulkdata/00091011"


@pytest.mark.parametrize(
    "data",
    [
        builders.many_elements(1000),
        encapsulated_instance([b""] * 1000),
        ct_instance(rows=512, columns=512, transfer_syntax=DEFLATED),
        instance({}, LITTLE.element(0x00081030, "LO", b"\x1b-A" * 5000)),
    ],
    ids=["elements", "fragments", "deflated", "long text"],
)
def test_time_is_capped(data: bytes) -> None:
    assert fault_of(data, HeaderLimits(deadline_seconds=-1)).code == "header-deadline"


def hours_pass(monkeypatch: pytest.MonkeyPatch, clock: str) -> None:
    """Every look at a clock shows an hour more than the one before."""
    hours = itertools.count(step=3600.0)
    monkeypatch.setattr(f"libs.dicom.parse.limits.time.{clock}", lambda: next(hours))


def test_a_sound_file_is_read_to_its_end_on_a_busy_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        hours_pass(patched, "monotonic")
        hours_pass(patched, "perf_counter")
        hours_pass(patched, "process_time")  # other threads of the service compute too
        header = header_of(builders.many_elements(1000), HeaderLimits(deadline_seconds=1))
    assert len(header.dicom_json["0040A730"]["Value"]) == 10


def test_the_time_that_the_thread_itself_computes_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        hours_pass(patched, "thread_time")
        code = fault_of(builders.many_elements(1000), HeaderLimits(deadline_seconds=1)).code
    assert code == "header-deadline"


@pytest.mark.parametrize(
    ("vr", "value"),
    [
        ("DS", b"1" * 4095 + b"x"),
        ("IS", b"1\\" * 2048),
        ("LO", b"\x1b$B\\" * 12_000),
        ("PN", b"=\\" * 30_000),
    ],
)
def test_no_value_is_slow_to_decode(vr: str, value: bytes) -> None:
    data = instance({}, LITTLE.element(0x00091010, vr, value))
    start = time.thread_time()
    header_of(data)
    assert time.thread_time() - start < 5


# Deflated.


def test_a_deflate_bomb_takes_no_memory() -> None:
    body = builders.data_set({"SOPClassUID": "1.2.3", "SOPInstanceUID": "1.2.4", "Modality": "CT"})
    bomb = body + LITTLE.element(0x00091010, "OB", bytes(100 << 20)) + LITTLE.element(AFTER, "LT", "x")
    data = builders.part10(bomb, transfer_syntax=DEFLATED, sop_class_uid="1.2.3", sop_instance_uid="1.2.4")
    del bomb
    tracemalloc.start()
    try:
        header = header_of(data, HeaderLimits(deadline_seconds=60))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert header.dicom_json["00401400"]["Value"] == ["x"]
    assert peak < 4 << 20


@pytest.mark.parametrize("cut", [2, 50, 2000])
def test_a_deflated_data_set_cut_off(cut: int) -> None:
    data = ct_instance(transfer_syntax=DEFLATED)
    assert fault_of(data[:-cut]).code == "truncated"


def test_a_data_set_that_is_not_deflated_after_all() -> None:
    data = ct_instance().replace(EXPLICIT_LE.encode() + b"\0\0", b"", 1)
    lying = builders.part10(b"", transfer_syntax=DEFLATED)[:-2] + data[400:]
    assert fault_of(lying).code == "invalid-deflate"


def test_an_encapsulated_icon_in_a_deflated_data_set() -> None:
    icon = LITTLE.sequence(0x00880200, [LITTLE.encapsulated([b"abcd"])], undefined=True)
    header = header_of(instance({}, icon, transfer_syntax=DEFLATED))
    assert "BulkDataURI" in header.dicom_json["00880200"]["Value"][0]["7FE00010"]


# The extent of the image.


@pytest.mark.parametrize(
    ("rows", "columns", "bits", "samples", "frames", "photometric", "needed", "decoded"),
    [
        (64, 64, 16, 1, 1, "MONOCHROME2", 8192, 8192),
        (10, 10, 8, 3, 2, "RGB", 600, 600),
        (10, 10, 8, 3, 1, "YBR_FULL_422", 200, 200),
        (10, 10, 8, 3, 1, "YBR_FULL", 300, 300),
        (3, 3, 1, 1, 1, "MONOCHROME2", 2, 2),
        (3, 3, 1, 1, 8, "MONOCHROME2", 9, 16),
        (5, 5, 32, 1, 3, "MONOCHROME2", 300, 300),
        (5, 5, 12, 1, 1, "MONOCHROME2", 38, 38),
    ],
)
def test_native_pixel_data_must_be_as_long_as_the_header_says(
    rows: int, columns: int, bits: int, samples: int, frames: int, photometric: str, needed: int, decoded: int
) -> None:
    def built(length: int) -> bytes:
        return ct_instance(
            pixels=bytes(length),
            Rows=rows,
            Columns=columns,
            BitsAllocated=bits,
            SamplesPerPixel=samples,
            NumberOfFrames=str(frames),
            PhotometricInterpretation=photometric,
        )

    even = needed + needed % 2
    header = header_of(built(even))
    assert header.decoded_bytes == decoded
    assert header.frames == frames
    fault = fault_of(built(even - 2))
    assert fault.code == "pixel-data-too-short"
    assert f"{needed} bytes" in fault.detail


def test_an_image_far_larger_than_its_pixel_data() -> None:
    data = ct_instance(Rows=65535, Columns=65535, NumberOfFrames="2147483647", SamplesPerPixel=3)
    assert fault_of(data).code == "pixel-data-too-short"


def test_a_decoded_size_of_any_magnitude() -> None:
    header = header_of(
        encapsulated_instance(
            [b"stream"],
            transfer_syntax=MPEG4_HP41,
            Rows=65535,
            Columns=65535,
            NumberOfFrames="999999999999",
            SamplesPerPixel=3,
        )
    )
    assert header.decoded_bytes == 65535 * 65535 * 3 * 999_999_999_999


def test_an_odd_native_value_may_lack_its_padding() -> None:
    data = ct_instance(rows=3, columns=3, bits=8)
    head, value = data[: data.rindex(b"OB\0\0")], bytes(9)
    header = header_of(head + b"OB\0\0" + struct.pack("<I", 9) + value)
    assert header.decoded_bytes == 9


@pytest.mark.parametrize("keyword", ["Rows", "Columns", "BitsAllocated"])
def test_pixel_data_without_their_size_are_refused(keyword: str) -> None:
    elements = {**builders.ct_elements(2, 2, 8, None, 0), keyword: None}
    data = instance(elements, LITTLE.element(PIXEL_DATA, "OB", b"abcd"))
    assert fault_of(data).code == "pixel-data-invalid"


@pytest.mark.parametrize(("tag", "vr", "size"), [(0x7FE00008, "OF", 4), (0x7FE00009, "OD", 8)])
def test_float_pixel_data_count_by_their_own_width(tag: int, vr: str, size: int) -> None:
    def built(length: int) -> bytes:
        elements: dict[str, Value | None] = {"Rows": 4, "Columns": 4, "BitsAllocated": 16}
        return instance(elements, LITTLE.element(tag, vr, bytes(length)))

    assert header_of(built(16 * size)).decoded_bytes == 16 * size
    assert header_of(built(16 * size)).has_pixel_data
    assert fault_of(built(16 * size - 2)).code == "pixel-data-too-short"


@pytest.mark.parametrize("syntax", [JPEG_BASELINE, JPEG_2000_LOSSLESS, "1.2.840.10008.1.2.8.1"])
def test_every_frame_takes_a_fragment(syntax: str) -> None:
    header_of(encapsulated_instance([b"ab"] * 5, transfer_syntax=syntax, frames=3))
    fault = fault_of(encapsulated_instance([b"ab"] * 2, transfer_syntax=syntax, frames=3))
    assert fault.code == "pixel-data-too-short"
    assert "2 fragments" in fault.detail


@pytest.mark.parametrize("syntax", [MPEG4_HP41, "1.2.840.10008.1.2.4.93", "1.2.840.10008.1.2.4.107"])
def test_one_stream_may_hold_many_frames(syntax: str) -> None:
    assert header_of(encapsulated_instance([b"stream"], transfer_syntax=syntax, frames=300)).frames == 300


@pytest.mark.parametrize(("tag", "vr"), [(PIXEL_DATA, "OW"), (0x7FE00008, "OF"), (0x7FE00009, "OD")])
def test_empty_pixel_data_are_none(tag: int, vr: str) -> None:
    header = header_of(instance({}, LITTLE.element(tag, vr, b"")))
    assert (header.has_pixel_data, header.pixels, header.decoded_bytes) == (False, None, None)
    assert header.dicom_json[f"{tag:08X}"] == {"vr": vr}
    assert (header.bulk, header.warnings) == ({}, ())


def test_an_image_with_empty_pixel_data_is_refused() -> None:
    assert fault_of(ct_instance(pixels=b"")).code == "pixel-data-too-short"
    partly = instance({"Rows": 64, "BitsAllocated": 16}, LITTLE.element(PIXEL_DATA, "OW", b""))
    header = header_of(partly)
    assert not header.has_pixel_data
    assert "no pixel data" in header.warnings[-1]


def test_encapsulated_pixel_data_without_a_fragment() -> None:
    assert fault_of(encapsulated_instance([], frames=1)).code == "pixel-data-too-short"


def test_what_is_no_fragment() -> None:
    data = instance(
        {},
        LITTLE.element(PIXEL_DATA, "OB", b"", length=UNDEFINED) + b"garbage!",
        transfer_syntax=JPEG_BASELINE,
    )
    assert fault_of(data).code == "invalid-fragment"


def test_the_form_of_the_pixel_data_must_fit_the_transfer_syntax() -> None:
    elements = builders.ct_elements(2, 2, 8, None, 0)
    fragments = LITTLE.encapsulated([b"abcd"])
    assert fault_of(instance({**elements}, fragments)).code == "pixel-data-invalid"
    native = LITTLE.element(PIXEL_DATA, "OB", b"abcd")
    assert (
        fault_of(instance({**elements}, native, transfer_syntax=JPEG_BASELINE)).code == "pixel-data-invalid"
    )


@pytest.mark.parametrize(("stated", "counted"), [("0", 1), ("-3", 1), ("1A", 1), ("", 1), ("2", 2)])
def test_a_faulty_number_of_frames_counts_as_one(stated: str, counted: int) -> None:
    header = header_of(ct_instance(frames=2, NumberOfFrames=stated))
    assert header.frames == counted
    assert bool(header.warnings) == (stated not in ("", "2"))


# Anything at all.

SEEDS: dict[str, Callable[[], bytes]] = {
    "explicit": lambda: ct_instance(rows=4, columns=4),
    "implicit": lambda: ct_instance(rows=4, columns=4, transfer_syntax=IMPLICIT_LE),
    "big endian": lambda: ct_instance(rows=4, columns=4, transfer_syntax=EXPLICIT_BE),
    "deflated": lambda: ct_instance(rows=4, columns=4, transfer_syntax=DEFLATED),
    "encapsulated": lambda: encapsulated_instance([b"abcd"] * 3, frames=3),
    **{
        name: wheel.path_of(f"test_files/{name}").read_bytes
        for name in ("reportsi.dcm", "UN_sequence.dcm", "rtdose_1frame.dcm", "priv_SQ.dcm", "test-SR.dcm")
    },
    "chrH32.dcm": wheel.path_of("charset_files/chrH32.dcm").read_bytes,
}
TELLING = [
    b"\xff\xff\xff\xff",
    b"\xfe\xff\x00\xe0",
    b"\xfe\xff\x0d\xe0",
    b"\xfe\xff\xdd\xe0",
    b"\x08\x00\x05\x00",
    b"\xe0\x7f\x10\x00",
    b"\x1b$B",
    *(code.encode() for code in ["SQ", "UN", "OB", "PN", "DS", "IS", "AT", "FD", "US", "UT"]),
]
MUTATIONS = st.lists(
    st.tuples(st.floats(0, 1), st.sampled_from(TELLING) | st.binary(max_size=8), st.integers(0, 40)),
    max_size=6,
)


def survives(data: bytes) -> None:
    try:
        header = header_of(data)
    except DicomFault:
        return
    assert b"\\u0000" not in orjson.dumps(header.dicom_json)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(sorted(SEEDS)), MUTATIONS, st.floats(0, 1))
def test_mutated_files_raise_nothing_but_faults(
    seed: str, mutations: list[tuple[float, bytes, int]], cut: float
) -> None:
    data = bytearray(SEEDS[seed]())
    for where, piece, dropped in mutations:
        at = 132 + int(where * (len(data) - 132))
        data[at : at + dropped] = piece
    survives(bytes(data))
    survives(bytes(data[: int(cut * len(data))]))


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from([EXPLICIT_LE, IMPLICIT_LE, EXPLICIT_BE, DEFLATED, JPEG_BASELINE]), st.binary(max_size=400)
)
def test_any_bytes_as_a_data_set_raise_nothing_but_faults(syntax: str, body: bytes) -> None:
    survives(builders.part10(body, transfer_syntax=syntax))


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_as_a_file_raise_nothing_but_faults(data: bytes) -> None:
    survives(data)
    survives(bytes(128) + b"DICM" + data)
