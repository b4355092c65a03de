"""What clients say they take, as they really write it, and the form that is chosen."""

from __future__ import annotations

import pytest

from libs.dicom.web.instances import InstanceForm, instance_form
from libs.dicom.web.media_ranges import MOST_RANGES, parse_accept
from libs.dicom.web.multipart import RelatedWriter

EXPLICIT, BIG, JPEG, J2K = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.4.50", "1.2.4.90"
PARTS = "multipart/related; type=application/dicom"


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", [("*/*", {})]),
        (" , ", [("*/*", {})]),
        ("application/dicom+json", [("application/dicom+json", {})]),
        (
            'multipart/related; type="application/dicom"; transfer-syntax=*',
            [("multipart/related", {"type": "application/dicom", "transfer-syntax": "*"})],
        ),
        (
            'MULTIPART/Related;TYPE=image/jpeg;q=0.5, multipart/related;type="image/jp2"',
            [("multipart/related", {"type": "image/jp2"}), ("multipart/related", {"type": "image/jpeg"})],
        ),
        ('a/b; x="1,2;3\\"4", c/d', [("a/b", {"x": '1,2;3"4'}), ("c/d", {})]),
        ("text/html;q=0, a/b;q=0.1, c/d;q=1.0;z=1", [("c/d", {"z": "1"}), ("a/b", {})]),
        ("nonsense, a/b, ;;, x/", [("a/b", {})]),
        ("a/b;q=x, a/c;q=2, a/d;q=nan", []),
        ('a/b; x="never ends, c/d', [("a/b", {"x": ""})]),
    ],
)
def test_ranges_are_read_as_they_are_written(header: str, expected: list[tuple[str, dict[str, str]]]) -> None:
    assert [(one.type, dict(one.parameters)) for one in parse_accept([header])] == expected


def test_headers_are_joined_and_bounded() -> None:
    assert [one.type for one in parse_accept(["a/b", "c/d"])] == ["a/b", "c/d"]
    assert len(parse_accept(["a/b," * 5000])) == MOST_RANGES
    assert parse_accept(['a/b;x="' + "\\" * 5000]) != []


@pytest.mark.parametrize(
    ("header", "one", "kind"),
    [
        ("*/*", False, "parts"),
        ("multipart/related", False, "parts"),
        ('multipart/related; type="*/*"', False, "parts"),
        ('multipart/related; type="image/jpeg"', False, None),
        (PARTS, True, "parts"),
        ("application/dicom", True, "single"),
        ("application/dicom", False, None),
        ("application/*", True, "single"),
        ("application/*", False, "zip"),
        ("application/zip;q=0.5, application/dicom;q=0.4", True, "zip"),
        (f"text/html, {PARTS};q=0.1", False, "parts"),
        ("text/html", False, None),
    ],
)
def test_the_form_that_is_taken_best(header: str, one: bool, kind: str | None) -> None:
    form = instance_form(parse_accept([header]), one=one)
    assert (None if form is None else form.kind) == kind


@pytest.mark.parametrize(
    ("header", "stored", "possible", "chosen"),
    [
        (PARTS, EXPLICIT, {EXPLICIT}, EXPLICIT),
        (PARTS, JPEG, {JPEG, EXPLICIT}, EXPLICIT),
        (PARTS, JPEG, {JPEG}, None),
        (f"{PARTS}; transfer-syntax=*", JPEG, {JPEG, EXPLICIT}, JPEG),
        (f"{PARTS}; transfer-syntax={J2K}", JPEG, {JPEG, EXPLICIT}, None),
        (
            f"{PARTS}; transfer-syntax={EXPLICIT}, {PARTS}; transfer-syntax={JPEG}",
            JPEG,
            {JPEG, EXPLICIT},
            JPEG,
        ),
        (f"{PARTS}, {PARTS}; transfer-syntax={JPEG}; q=0.9", JPEG, {JPEG, EXPLICIT}, EXPLICIT),
        (f"{PARTS}; transfer-syntax={J2K}, {PARTS}; transfer-syntax=*; q=0.9", JPEG, {JPEG, EXPLICIT}, JPEG),
        (f"{PARTS}; transfer-syntax={BIG}, application/dicom", EXPLICIT, {EXPLICIT}, None),
    ],
)
def test_the_syntax_that_is_taken_best(
    header: str, stored: str, possible: set[str], chosen: str | None
) -> None:
    form = instance_form(parse_accept([header]), one=True)
    assert isinstance(form, InstanceForm)
    assert form.syntax_of(stored, possible) == chosen


@pytest.mark.parametrize(
    ("header", "chosen"),
    [
        (PARTS, JPEG),
        (f"text/html, {PARTS};q=0.1", JPEG),
        (f"{PARTS}; transfer-syntax={EXPLICIT}", None),
        (f"{PARTS}, {PARTS}; transfer-syntax={J2K}; q=0.9", None),
    ],
)
def test_among_others_what_cannot_be_transcoded_is_given_as_stored_where_no_syntax_is_named(
    header: str, chosen: str | None
) -> None:
    form = instance_form(parse_accept([header]), one=False)
    assert isinstance(form, InstanceForm)
    assert form.syntax_of(JPEG, {JPEG}) == chosen
    assert form.syntax_of(JPEG, {JPEG, EXPLICIT}) == EXPLICIT


def test_parts_stand_between_boundaries() -> None:
    writer = RelatedWriter("application/dicom", "b1")
    assert writer.content_type == 'multipart/related; type="application/dicom"; boundary=b1'
    written = writer.begin("application/dicom; transfer-syntax=1.2") + b"one"
    written += writer.begin("application/dicom", {"Content-Location": "https://x/1"}) + b"two" + writer.end()
    assert written == (
        b"--b1\r\nContent-Type: application/dicom; transfer-syntax=1.2\r\n\r\none"
        b"\r\n--b1\r\nContent-Type: application/dicom\r\nContent-Location: https://x/1\r\n\r\ntwo\r\n--b1--\r\n"
    )
    assert RelatedWriter("a/b").boundary != RelatedWriter("a/b").boundary
