"""Preamble, prefix, file meta information and transfer syntaxes."""

from __future__ import annotations

import io

import pytest

from libs.dicom.faults import DicomFault
from libs.dicom.parse.header import Header, HeaderLimits, read_header
from tests import wheel
from tests.builders import (
    CT_IMAGE_STORAGE,
    DEFLATED,
    ELF,
    EXPLICIT_BE,
    EXPLICIT_LE,
    HTML,
    IMPLICIT_LE,
    PNG,
    UID_ROOT,
    ct_instance,
    data_set,
    part10,
    without_preamble,
)
from tests.encoder import LITTLE

SOUND = data_set({"SOPClassUID": CT_IMAGE_STORAGE, "SOPInstanceUID": f"{UID_ROOT}.1"})


def header_of(data: bytes, limits: HeaderLimits | None = None) -> Header:
    return read_header(io.BytesIO(data), len(data), limits or HeaderLimits())


def fault_of(data: bytes) -> DicomFault:
    with pytest.raises(DicomFault) as caught:
        header_of(data)
    return caught.value


@pytest.mark.parametrize("transfer_syntax", [IMPLICIT_LE, EXPLICIT_LE, EXPLICIT_BE, DEFLATED])
def test_every_layout_gives_the_same_header(transfer_syntax: str) -> None:
    header = header_of(ct_instance(rows=40, columns=30, seed=7, transfer_syntax=transfer_syntax))
    expected = header_of(ct_instance(rows=40, columns=30, seed=7))
    assert header.transfer_syntax_uid == transfer_syntax
    assert header.dicom_json == expected.dicom_json
    assert (header.rows, header.columns, header.frames) == (40, 30, 1)
    assert header.decoded_bytes == 2400
    assert header.warnings == ()


@pytest.mark.parametrize(
    ("data", "code", "hint"),
    [
        (b"", "empty-file", "empty"),
        (b"\0" * 131, "too-short", "131 bytes"),
        (b"\0" * 132, "not-dicom", "DICM"),
        (PNG, "not-dicom", "PNG"),
        (b"\xff\xd8\xff\xe0" + bytes(200), "not-dicom", "JPEG picture"),
        (b"%PDF-1.7" + bytes(200), "not-dicom", "PDF"),
        (b"PK\x03\x04" + bytes(200), "not-dicom", "ZIP"),
        (b"\x1f\x8b\x08" + bytes(200), "not-dicom", "gzip"),
        (ELF, "not-dicom", "Linux program"),
        (b"MZ" + bytes(300), "not-dicom", "Windows program"),
        (HTML, "not-dicom", "HTML page"),
        (b"<html>short</html>", "not-dicom", "HTML page"),
        (bytes(344) + b"n+1\0" + bytes(10), "not-dicom", "NIfTI"),
        (without_preamble(), "not-dicom", "lost its preamble"),
        (SOUND * 4, "not-dicom", "bare DICOM data set"),
    ],
)
def test_what_is_no_dicom_file_is_named(data: bytes, code: str, hint: str) -> None:
    fault = fault_of(data)
    assert fault.code == code
    assert hint in fault.detail


def test_a_dual_personality_preamble_is_no_obstacle() -> None:
    assert header_of(part10(SOUND, preamble=b"II*\0" + bytes(124))).warnings == ()


def test_a_program_in_the_preamble_is_noted() -> None:
    (warning,) = header_of(part10(SOUND, preamble=b"MZ" + bytes(126))).warnings
    assert "program" in warning


@pytest.mark.parametrize(
    ("uid", "code"),
    [
        (None, "no-transfer-syntax"),
        ("", "no-transfer-syntax"),
        ("little endian", "invalid-transfer-syntax"),
        ("1.2.840.10008.1.2.\\1", "invalid-transfer-syntax"),
        ("1.2.840.113619.5.2", "unknown-transfer-syntax"),
        (CT_IMAGE_STORAGE, "unknown-transfer-syntax"),
    ],
)
def test_a_transfer_syntax_must_be_named_and_known(uid: str | None, code: str) -> None:
    assert fault_of(part10(SOUND, transfer_syntax=uid)).code == code


@pytest.mark.parametrize("suffix", ["4.102", "4.202", "8.1", "5"])
def test_standard_syntaxes_unknown_to_pydicom_are_accepted(suffix: str) -> None:
    header = header_of(part10(SOUND, transfer_syntax=f"{IMPLICIT_LE}.{suffix}"))
    assert header.transfer_syntax_uid == f"1.2.840.10008.1.2.{suffix}"


def test_a_wrong_group_length_of_the_file_meta_information_does_no_harm() -> None:
    whole = part10(SOUND)
    (warning,) = header_of(whole[:140] + b"\x10\x27\0\0" + whole[144:]).warnings
    assert "group length" in warning


def test_file_meta_information_in_implicit_vr_is_refused() -> None:
    assert fault_of(bytes(128) + b"DICM\x02\0\x10\0\x14\0\0\0" + bytes(40)).code == "invalid-file-meta"


def test_file_meta_information_cut_off() -> None:
    assert fault_of(part10(SOUND)[:180]).code == "length-beyond-file"


def test_a_long_private_value_in_the_file_meta_information_is_skipped() -> None:
    meta = LITTLE.element(0x00020010, "UI", EXPLICIT_LE) + LITTLE.element(0x00020102, "OB", bytes(5000))
    header = header_of(bytes(128) + b"DICM" + meta + SOUND)
    assert header.sop_instance_uid == f"{UID_ROOT}.1"


def test_a_media_directory_is_no_instance() -> None:
    assert fault_of(part10(SOUND, sop_class_uid="1.2.840.10008.1.3.10")).code == "dicomdir"
    directory = data_set({"SOPClassUID": "1.2.840.10008.1.3.10", "SOPInstanceUID": "1.2"})
    assert fault_of(part10(directory)).code == "dicomdir"


@pytest.mark.parametrize("name", wheel.names())
def test_the_files_of_the_pydicom_wheel_are_accepted_or_refused_as_listed(name: str) -> None:
    data = wheel.path_of(name).read_bytes()
    if name in wheel.NOT_DICOM:
        assert fault_of(data).code == "not-dicom"
    elif name in wheel.BROKEN:
        assert fault_of(data).code == wheel.BROKEN[name][0]
    else:
        assert header_of(data).sop_instance_uid
