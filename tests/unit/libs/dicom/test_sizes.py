"""A thumbnail with its smaller sizes in one object: each is found, and nothing odd does harm."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from libs.dicom.render.sizes import join, pick
from tests.builders import ct_instance
from tests.unit.libs.dicom.pixel_support import measured


def shown(data: bytes) -> bytes:
    """The thumbnail of a file."""
    thumbnail = measured(data).thumbnail
    assert thumbnail is not None
    return thumbnail


def test_each_size_is_found() -> None:
    content = join(b"largest", [b"middle", b"small"])
    assert [pick(content, side) for side in (256, 128, 64)] == [b"largest", b"middle", b"small"]
    assert content.startswith(b"largest")


@pytest.mark.parametrize(
    ("smaller", "found"),
    [
        ([b"", b""], [b"largest"] * 3),
        ([b"", b"small"], [b"largest", b"largest", b"small"]),
        ([b"middle", b""], [b"largest", b"middle", b"middle"]),
    ],
)
def test_a_size_that_is_missing_is_the_next_larger(smaller: list[bytes], found: list[bytes]) -> None:
    assert [pick(join(b"largest", smaller), side) for side in (256, 128, 64)] == found


@given(st.binary(max_size=60), st.sampled_from([64, 128, 256]))
def test_whatever_it_is_some_of_it_is_given(content: bytes, side: int) -> None:
    assert pick(content, side) in content
    forged = content + b"\xff\xff\xff\xff\x00\x00\x00\x01thumbs01"
    assert pick(forged, side) == forged


def test_pictures_have_their_sizes() -> None:
    whole = shown(ct_instance(rows=300, columns=200))
    for side in (256, 128, 64):
        picture = Image.open(io.BytesIO(pick(whole, side)))
        assert max(picture.size) == side
        assert np.asarray(picture).std() > 0
    # Whoever knows of no sizes sees the largest.
    assert max(Image.open(io.BytesIO(whole)).size) == 256
    assert max(Image.open(io.BytesIO(pick(shown(ct_instance(rows=80, columns=40)), 256))).size) == 80
