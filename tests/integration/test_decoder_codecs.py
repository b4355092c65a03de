"""Every codec works in a confined child as it does outside."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path
from typing import Any

from libs.common.encryption.keyring import Keyring
from libs.common.ids import file_key, new_file_id
from libs.common.storage import FileStorage
from libs.dicom.faults import DicomFault
from libs.dicom.measure.analysis import AnalysisLimits
from libs.dicom.parse.header import HeaderLimits, read_header
from services.processor.answers import Measured, Refused
from services.processor.pool import DecoderPool
from tests import wheel
from tests.builders import encapsulated_instance
from tests.unit.libs.dicom.pixel_support import DEFLATED_FRAME, UNCOMPRESSED, encoded_frame, jpeg, measured

SYNTAXES = {
    "1.2.840.10008.1.2",
    *(f"1.2.840.10008.1.2.{n}" for n in ("1", "1.98", "1.99", "2", "5", "8.1")),
    *(f"1.2.840.10008.1.2.4.{n}" for n in (50, 51, 70, 80, 81, 90, 91)),
}


def inputs() -> dict[str, bytes]:
    """The sound files of the pydicom wheel, and syntaxes that none of them has."""
    found = {name: wheel.path_of(name).read_bytes() for name in wheel.sound_names()}
    _, picture = jpeg(20, 30)
    for syntax in (DEFLATED_FRAME, UNCOMPRESSED):
        found[syntax] = encapsulated_instance(
            [encoded_frame(picture, syntax)], transfer_syntax=syntax, Rows=20, Columns=30
        )
    return found


def outside(data: bytes) -> Any:
    try:
        return measured(data)
    except DicomFault as fault:
        return fault.code


async def test_every_codec_works_inside(tmp_path: Path) -> None:
    storage = FileStorage(tmp_path / "objects", Keyring.create(tmp_path / "keyring.json"))
    pool = DecoderPool(
        slots=2, cpu_seconds=60.0, wall_seconds=60.0, memory_bytes=1 << 30, limits=AnalysisLimits()
    )
    seen = set()

    async def inside(name: str, data: bytes) -> None:
        header = read_header(io.BytesIO(data), len(data), HeaderLimits())
        key = file_key(new_file_id())
        await storage.put(key, data, header.sealed(), durable=False)
        async with pool.place(), storage.child_access(key) as access:
            result = await pool.measure(access)
        if isinstance(result, Refused):
            assert result.reason == outside(data), name
            return
        assert isinstance(result, Measured)
        expected = outside(data)
        assert result.analysis.statistics == expected.statistics, name
        assert result.analysis.thumbnail == expected.thumbnail, name
        assert result.analysis.average_after_normalization == expected.average_after_normalization, name
        seen.add(header.transfer_syntax_uid)

    try:
        async with asyncio.timeout(100):
            for name, data in inputs().items():
                await inside(name, data)
    finally:
        await pool.close()
    assert seen >= SYNTAXES
    assert pool.replaced == 0
