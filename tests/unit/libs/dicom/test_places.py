"""The place of pixel data comes out of the trailer as it went in."""

from __future__ import annotations

import json
from array import array

import pytest

from libs.dicom.parse.layout import PixelPlace
from libs.dicom.parse.syntax import Syntax


@pytest.mark.parametrize("implicit", [False, True])
@pytest.mark.parametrize("little", [False, True])
@pytest.mark.parametrize("fragments", [None, [], [0, 17, 4]])
def test_a_place_survives_the_trailer(implicit: bool, little: bool, fragments: list[int] | None) -> None:
    place = PixelPlace(
        transfer_syntax_uid="1.2.840.10008.1.2.2",
        syntax=Syntax(implicit=implicit, little=little),
        tag=0x7FE00010,
        vr="OW",
        offset=2**33 + 1,
        length=None if fragments is not None else 2**32,
        fragments=None if fragments is None else array("I", fragments),
    )
    found = PixelPlace.from_json(json.loads(json.dumps(place.to_json())))
    assert found == PixelPlace(
        "1.2.840.10008.1.2.2",
        Syntax(implicit=implicit, little=little),
        0x7FE00010,
        "OW",
        2**33 + 1,
        place.length,
        fragments,
    )
