"""The kind of a body, whatever its parameters look like."""

from __future__ import annotations

import pytest
from aiohttp.test_utils import make_mocked_request

from libs.common.http.media_type import UNKNOWN, media_type


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("multipart/form-data; boundary=5f2b", "multipart/form-data"),
        ('Multipart/Form-Data;boundary="a;b"', "multipart/form-data"),
        (" application/dicom ", "application/dicom"),
        ("application/dicom; transfer-syntax=1.2.840.10008.1.2.1", "application/dicom"),
        ("", UNKNOWN),
        (";", UNKNOWN),
    ],
)
def test_parameters_and_case_do_not_matter(header: str, expected: str) -> None:
    assert media_type(make_mocked_request("POST", "/", {"Content-Type": header})) == expected


def test_a_body_without_a_kind_is_bytes() -> None:
    assert media_type(make_mocked_request("POST", "/")) == UNKNOWN
