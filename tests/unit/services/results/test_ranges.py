"""Byte ranges, names of downloads and entity tags."""

from __future__ import annotations

from urllib.parse import unquote

import pytest
from aiohttp import content_disposition_filename, parse_content_disposition
from hypothesis import given
from hypothesis import strategies as st

from libs.common.errors import RangeNotSatisfiable
from services.results.read.ranges import content_disposition, etag_matches, parse_range


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-0", (0, 1)),
        ("bytes=0-99", (0, 100)),
        ("bytes=0-1000000", (0, 100)),
        ("bytes=99-", (99, 100)),
        ("bytes=-1", (99, 100)),
        ("bytes=-1000", (0, 100)),
        ("Bytes=10-19 ", (10, 20)),
        (None, None),
        ("", None),
        ("bytes=", None),
        ("bytes=-", None),
        ("bytes=5-4", None),
        ("bytes=0-1,5-6", None),
        ("bytes=a-b", None),
        ("bytes=٠-٩", None),
        ("items=0-1", None),
        ("bytes=" + "9" * 5000 + "-", None),
    ],
)
def test_ranges(header: str | None, expected: tuple[int, int] | None) -> None:
    assert parse_range(header, 100) == expected


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=100-200", "bytes=-0", "bytes=9999999999999999999-"])
def test_ranges_outside(header: str) -> None:
    with pytest.raises(RangeNotSatisfiable):
        parse_range(header, 100)


@given(st.integers(0, 10**19 - 1), st.integers(0, 10**19 - 1), st.integers(1, 2**40))
def test_a_range_lies_inside(first: int, last: int, size: int) -> None:
    try:
        found = parse_range(f"bytes={first}-{last}", size)
    except RangeNotSatisfiable:
        assert first >= size
    else:
        assert found is None or 0 <= found[0] < found[1] <= size


@pytest.mark.parametrize("name", ["slice.dcm", "a b.dcm"])
def test_a_plain_name_is_quoted_as_it_is(name: str) -> None:
    assert content_disposition(name) == f'attachment; filename="{name}"'


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=50))
def test_no_name_breaks_out_and_every_name_survives(name: str) -> None:
    header = content_disposition(name)
    assert header.isascii()
    assert header.isprintable()
    fallback = header.removeprefix('attachment; filename="').partition('"')
    if fallback[2]:
        assert unquote(fallback[2].removeprefix("; filename*=UTF-8''"), errors="strict") == name
    else:
        assert fallback[0] == name


def test_other_parsers_read_the_name() -> None:
    name = 'Peña "ñ"; \\ 图.dcm'
    _, parameters = parse_content_disposition(content_disposition(name))
    assert content_disposition_filename(parameters) == name


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, False),
        ('"a"', True),
        ('W/"a"', True),
        ('"b", "a"', True),
        ("*", True),
        ('"b"', False),
        ("a", False),
    ],
)
def test_entity_tags(header: str | None, expected: bool) -> None:
    assert etag_matches(header, '"a"') is expected
