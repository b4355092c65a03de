"""What decoders answer arrives as it was, and a hostile one has no other words."""

from __future__ import annotations

import io
from typing import Any

import orjson
import pytest

from libs.common.errors import ObjectUnreadable
from libs.dicom.measure.analysis import FRAME_MEANS_SENT, analyse
from services.processor.answers import (
    MEASURED,
    MOST_JSON_BYTES,
    MOST_THUMBNAIL_BYTES,
    REFUSED,
    UNREADABLE,
    FalseAnswer,
    Measured,
    Refused,
    decoded,
    encoded,
)
from tests.builders import ct_instance, instance

TOLD = {"seconds": 0.1, "cpu_seconds": 0.1, "peak_memory_bytes": 5 << 20}


def measured(data: bytes) -> Measured:
    return Measured(analyse(io.BytesIO(data)), "Prueba Medical Tomo 64", 0.25, 0.2, 50 << 20)


@pytest.mark.parametrize(
    "data",
    [
        ct_instance(),
        ct_instance(frames=5, PixelPaddingValue=7),
        ct_instance(rows=4, columns=4, frames=FRAME_MEANS_SENT + 1),
        instance({"Modality": "SR"}),
    ],
    ids=["one frame", "padding", "many frames", "no pixels"],
)
def test_measures_arrive_as_they_were(data: bytes) -> None:
    result = measured(data)
    assert decoded(encoded(result)) == result


def test_refusals_arrive_as_they_were() -> None:
    refused = Refused("decode-failed", "decode-failed, ValueError at codecs.py:70", 0.1, 0.1, 5 << 20)
    assert decoded(encoded(refused)) == refused
    long = decoded(encoded(Refused("decode-failed", "line\nbreak" + "x" * 5000)))
    assert isinstance(long, Refused)
    assert long.diagnosis.startswith("line?break")
    assert len(long.diagnosis) == 1000


def test_a_disk_that_failed_the_decoder() -> None:
    with pytest.raises(ObjectUnreadable):
        decoded([UNREADABLE])


def told(**changes: Any) -> bytes:
    """An answer of a decoder that sends what it likes."""
    _, content, _, _ = encoded(measured(ct_instance()))
    answer = orjson.loads(content)
    answer["statistics"] |= changes.pop("statistics", {})
    return orjson.dumps(answer | changes)


@pytest.mark.parametrize(
    "parts",
    [
        [],
        [b"other"],
        [MEASURED],
        [MEASURED, b"{}", b"", b""],
        [MEASURED, b"[" * 100_000, b"", b""],
        [MEASURED, told(device_name="x" * 65), b"", b""],
        [MEASURED, told(device_name="line\nbreak"), b"", b""],
        [MEASURED, told(name="PAT-0001"), b"", b""],
        [MEASURED, told(statistics={"name": "PAT-0001"}), b"", b""],
        [MEASURED, told(statistics={"transfer_syntax_uid": ["1.2"]}), b"", b""],
        [MEASURED, told(statistics={"count": -1}), b"", b""],
        [MEASURED, told().replace(b'"max":', b'"max":99999999999999999999,"x":'), b"", b""],
        [MEASURED, told(statistics={"frame_means": [0.5] * 1025}), b"", b""],
        [MEASURED, told().replace(b'"before":', b'"before":1e999,"x":'), b"", b""],
        [MEASURED, told() + b" " * MOST_JSON_BYTES, b"", b""],
        [MEASURED, told(), bytes(MOST_THUMBNAIL_BYTES + 1), b""],
        [MEASURED, told(), b"", b'["PAT-0001"]'],
        [REFUSED, orjson.dumps(TOLD | {"reason": "other", "diagnosis": ""})],
        [REFUSED, orjson.dumps(TOLD | {"reason": "decode-failed", "diagnosis": "", "seconds": -1})],
    ],
)
def test_no_other_answer_is_accepted(parts: list[bytes]) -> None:
    with pytest.raises(FalseAnswer) as refused:
        decoded(parts)
    assert "PAT-0001" not in str(refused.value)
