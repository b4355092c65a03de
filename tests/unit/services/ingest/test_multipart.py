"""Multipart bodies, in whatever pieces they arrive."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.bodies.multipart import (
    BodyEnds,
    BodyEvent,
    MultipartFeed,
    PartBegins,
    PartEnds,
    boundary_of,
)

BOUNDARY = "frontera"
HEAD = b'Content-Disposition: form-data; name="file"; filename="a.dcm"\r\n\r\n'


def body_of(*contents: bytes, before: bytes = b"", after: bytes = b"\r\n") -> bytes:
    """A body with one part for each of `contents`."""
    parts = b"".join(b"--frontera\r\n" + HEAD + content + b"\r\n" for content in contents)
    return before + parts + b"--frontera--" + after


def events_of(body: bytes, *cuts: int) -> list[BodyEvent]:
    """What is found in a body that arrives in pieces; neighbouring pieces of a part are joined."""
    feed, found = MultipartFeed(BOUNDARY), list[BodyEvent]()
    edges = [0, *sorted(cuts), len(body)]
    for start, end in itertools.pairwise(edges):
        feed.feed(body[start:end])
        while (event := feed.take()) is not None:
            if isinstance(event, bytes) and found and isinstance(before := found[-1], bytes):
                found[-1] = before + event
            else:
                found.append(event)
    feed.close()
    return found


def contents_of(events: list[BodyEvent]) -> list[bytes]:
    """The parts' bytes."""
    contents: list[bytes] = []
    for event in events:
        if isinstance(event, PartBegins):
            contents.append(b"")
        elif isinstance(event, bytes):
            contents[-1] += event
    return contents


NEARLY = st.sampled_from(
    [b"\r\n--frontera", b"\r\n--front", b"--frontera", b"\r\n", b"\r", b"-", b"x", b"\0"]
)
CONTENT = st.one_of(st.binary(max_size=60), st.lists(NEARLY, max_size=8).map(b"".join)).filter(
    lambda content: b"\r\n--frontera" not in b"\r\n" + content + b"\r"
)


@given(st.lists(CONTENT, max_size=4), st.data())
def test_however_it_is_cut_the_same_is_found(contents: list[bytes], data: st.DataObject) -> None:
    body = body_of(*contents) if contents else b"--frontera--\r\n"
    cuts = data.draw(st.lists(st.integers(0, len(body)), max_size=12))
    events = events_of(body, *cuts)
    assert contents_of(events) == contents
    assert events[-1] == BodyEnds()
    assert sum(isinstance(event, PartEnds) for event in events) == len(contents)


def test_byte_by_byte() -> None:
    body = body_of(b"one\r\n--fronter", b"", b"two")
    assert contents_of(events_of(body, *range(len(body)))) == [b"one\r\n--fronter", b"", b"two"]


PREAMBLE = b"A reader that knows MIME does not see this, nor --frontera here.\r\n"


@pytest.mark.parametrize("before", [b"\r\n", b"\r\n\r\n", PREAMBLE, b"x" * 4000 + b"\r\n"])
def test_lines_before_the_first_boundary(before: bytes) -> None:
    assert contents_of(events_of(body_of(b"1", before=before))) == [b"1"]


def test_a_preamble_in_pieces() -> None:
    body = body_of(b"one", b"two", before=PREAMBLE)
    assert contents_of(events_of(body, *range(len(body)))) == [b"one", b"two"]


def test_a_body_without_its_boundary_is_not_read_for_ever() -> None:
    feed = MultipartFeed(BOUNDARY)
    feed.feed(bytes(4096))
    with pytest.raises(ValueError, match="boundary"):
        feed.feed(bytes(1))


def test_what_follows_the_last_boundary_is_no_part() -> None:
    assert contents_of(events_of(body_of(b"1", after=b"\r\nmore --frontera\r\n"))) == [b"1"]


def test_headers_are_found_by_names_in_lower_case() -> None:
    body = b"--frontera\r\nCONTENT-Type:  application/dicom \r\nX-Name: \xe1\r\n\r\n1\r\n--frontera--"
    [begins, *_] = events_of(body, 15, 40)
    assert begins == PartBegins({"content-type": "application/dicom", "x-name": "\udce1"})


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--frontera\r\n",
        b"--frontera\r\n" + HEAD + b"cut",
        b"--frontera\r\n" + HEAD + b"cut\r\n--frontera",
        b"--another\r\n" + HEAD + b"1\r\n--another--",
        b"no multipart at all",
        b"--frontera\r\nname without a colon\r\n\r\n1\r\n--frontera--",
        b"--frontera\r\n" + b"X: y\r\n" * 100 + b"\r\n1\r\n--frontera--",
        b"--frontera\r\nX: " + b"y" * 100_000 + b"\r\n\r\n1\r\n--frontera--",
    ],
)
def test_what_is_broken_or_cut_short(body: bytes) -> None:
    with pytest.raises(ValueError):
        events_of(body)


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        ("multipart/form-data; boundary=abc", "abc"),
        ('multipart/related; type="application/dicom"; Boundary="a b;c"', "a b;c"),
        ("multipart/form-data;boundary=abc ; charset=utf-8", "abc"),
    ],
)
def test_the_boundary_bare_and_quoted(content_type: str, boundary: str) -> None:
    assert boundary_of(content_type) == boundary


@pytest.mark.parametrize(
    "content_type",
    ["multipart/form-data", "multipart/form-data; boundary=", 'multipart/form-data; boundary=""'],
)
def test_no_boundary(content_type: str) -> None:
    with pytest.raises(ValueError):
        boundary_of(content_type)


def test_a_boundary_that_is_too_long() -> None:
    with pytest.raises(ValueError):
        MultipartFeed("b" * 300)
