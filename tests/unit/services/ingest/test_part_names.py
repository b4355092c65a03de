"""What a part of a form is called: read quickly where it is plain, and always as the library reads it."""

from __future__ import annotations

import pytest
from aiohttp import content_disposition_filename, parse_content_disposition
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.bodies.form import named

TEXT = st.text(alphabet='ab/.\\ "é%=;-', max_size=12)


def as_the_library(disposition: str) -> tuple[str | None, str | None]:
    _, parameters = parse_content_disposition(disposition)
    name = content_disposition_filename(parameters, "name")
    return name, content_disposition_filename(parameters, "filename")


@pytest.mark.parametrize(
    ("disposition", "expected"),
    [
        ('form-data; name="file"; filename="a.dcm"', ("file", "a.dcm")),
        ('form-data; name="file"; filename="CD 3/SERIES01/IM 1"', ("file", "CD 3/SERIES01/IM 1")),
        ('form-data; name="file"', ("file", None)),
        ("form-data; name=\"file\"; filename*=utf-8''%C3%A9.dcm", ("file", "é.dcm")),
        ('attachment; filename="a.dcm"', (None, "a.dcm")),
        ("", (None, None)),
    ],
)
def test_known_forms(disposition: str, expected: tuple[str | None, str | None]) -> None:
    assert named(disposition) == expected == as_the_library(disposition)


@given(TEXT, TEXT)
@pytest.mark.filterwarnings("ignore::Warning")
def test_all_names_are_read_as_the_library_reads_them(field: str, file: str) -> None:
    disposition = f'form-data; name="{field}"; filename="{file}"'
    assert named(disposition) == as_the_library(disposition)
