"""What a decoder does with one encrypted object: it starts from what was sealed when the file came in."""

from __future__ import annotations

import io
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from libs.common.encryption.keyring import Keyring
from libs.common.ids import file_key, new_file_id
from libs.common.storage import FileStorage
from libs.dicom.measure.analysis import AnalysisLimits
from libs.dicom.parse.header import HeaderLimits, read_header
from services.processor.answers import Measured, Refused
from services.processor.child import measure_object
from services.processor.consumption import Consumption
from tests.builders import (
    DEFLATED,
    EXPLICIT_LE,
    IMPLICIT_LE,
    RLE,
    ct_instance,
    ct_pixels,
    encapsulated_instance,
)
from tests.unit.libs.dicom.pixel_support import encoded_frame

Measure = Callable[[bytes, dict[str, Any]], Awaitable[Measured | Refused]]


@pytest.fixture
def measure(tmp_path: Path) -> Measure:
    """Store an object with this trailer and measure it."""
    storage = FileStorage(tmp_path / "objects", Keyring.create(tmp_path / "keyring.json"))

    async def stored_and_measured(content: bytes, trailer: dict[str, Any]) -> Measured | Refused:
        key = file_key(new_file_id())
        await storage.put(key, content, trailer, durable=False)
        async with storage.child_access(key) as access:
            descriptor = os.dup(access.descriptor)
            return measure_object(descriptor, access.data_key, AnalysisLimits(), Consumption())

    return stored_and_measured


def trailers(data: bytes) -> dict[str, dict[str, Any]]:
    """What this release seals, and what the one before places did."""
    header = read_header(io.BytesIO(data), len(data), HeaderLimits())
    return {"with places": header.sealed(), "without": {"dicom": header.dicom_json, "warnings": []}}


def with_first_element(data: bytes, element: bytes) -> bytes:
    start = 132 + 12 + int.from_bytes(data[140:144], "little")
    return data[:start] + element + data[start:]


@pytest.mark.parametrize("kind", ["with places", "without"])
async def test_pixels_that_ingest_found_are_measured(measure: Measure, kind: str) -> None:
    """A first element whose VR nobody knows once made the decoder lose its way."""
    data = with_first_element(ct_instance(200, 200), b"\x08\0\1\0ZZ\0\0\4\0\0\0abcd")
    trailer = trailers(data)
    assert trailer["with places"]["pixels"]["length"] == 80_000
    result = await measure(data, trailer[kind])
    assert isinstance(result, Measured)
    assert result.analysis.statistics["kind"] == "pixel-data"
    assert result.analysis.data_size == 80_000


@pytest.mark.parametrize("syntax", [IMPLICIT_LE, EXPLICIT_LE, DEFLATED, RLE])
async def test_objects_of_releases_that_sealed_no_places_are_measured_the_same(
    measure: Measure, syntax: str
) -> None:
    if syntax == RLE:
        frames = [encoded_frame(frame, RLE) for frame in ct_pixels(64, 64, bits=8, frames=3)]
        data = encapsulated_instance(frames, transfer_syntax=RLE, frames=3)
    else:
        data = ct_instance(transfer_syntax=syntax)
    new, old = [await measure(data, trailer) for trailer in trailers(data).values()]
    assert isinstance(new, Measured)
    assert isinstance(old, Measured)
    assert new.analysis == old.analysis
    assert new.analysis.thumbnail is not None
    assert new.device_name == old.device_name == "Prueba Medical Tomo 64"


async def test_the_header_is_not_read_again(measure: Measure) -> None:
    data = ct_instance()
    trailer = trailers(data)["with places"]
    place = trailer["pixels"]["offset"]
    result = await measure(b"?" * place + data[place:], trailer)
    assert isinstance(result, Measured)
    assert result.analysis.statistics["count"] == 64 * 64


async def test_a_child_says_what_a_file_took_of_it(measure: Measure) -> None:
    data = ct_instance()
    trailer = trailers(data)["with places"]
    for content in (data, data[: trailer["pixels"]["offset"] + 10]):
        result = await measure(content, trailer)
        assert result.cpu_seconds > 0
        assert result.peak_memory_bytes > 1 << 20
    assert isinstance(result, Refused)


def test_a_peak_is_told_once() -> None:
    """What a large file took is not told of the next one."""
    size = 100 << 20  # beyond what the allocator keeps
    taken = Consumption()
    before = taken.peak_memory_bytes()
    taken.begin()
    held = bytearray(size)
    assert taken.peak_memory_bytes() >= before + size * 0.9
    del held
    taken.begin()
    assert taken.peak_memory_bytes() < before + size * 0.5


def test_where_no_peak_can_begin_anew_it_is_that_of_the_whole_life(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("services.processor.consumption.PROCESS", tmp_path)
    (tmp_path / "clear_refs").mkdir()
    counted = Consumption()
    held = bytearray(100 << 20)
    assert counted.peak_memory_bytes() > len(held)
    del held
    assert counted.peak_memory_bytes() > 100 << 20
