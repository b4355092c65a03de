"""Broken PDUs: none ends the door, keeps it busy, or leaves anything behind.

`make test` tries few, `make fuzz` many (FUZZ_EXAMPLES).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import struct
from pathlib import Path
from typing import Any

import pytest

from services.ingest.dimse import commands, pdus
from services.ingest.dimse.commands import Tag
from services.ingest.dimse.pdus import ProtocolError
from tests.builders import CT_IMAGE_STORAGE, EXPLICIT_LE, ct_instance
from tests.dimse_support import RawSender, associate_rq, data_set_of, door_of
from tests.fixtures_postgres import OpenDatabase
from tests.ingest_support import Kit
from tests.waiting import PATIENCE, eventually

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "2"))
INSTANCE = "1.2.826.0.1.3680043.8.498.16"


def conversation() -> list[bytes]:
    """PDUs of an association that sends one object and is released."""
    request = commands.encode(
        {
            Tag.AFFECTED_SOP_CLASS_UID: CT_IMAGE_STORAGE,
            Tag.COMMAND_FIELD: 1,
            Tag.MESSAGE_ID: 1,
            Tag.COMMAND_DATA_SET_TYPE: 1,
            Tag.AFFECTED_SOP_INSTANCE_UID: INSTANCE,
        }
    )
    content = data_set_of(ct_instance(rows=8, columns=8, sop_instance_uid=INSTANCE))
    return [
        associate_rq((CT_IMAGE_STORAGE, [EXPLICIT_LE])),
        *pdus.p_data(1, request, 0, command=True),
        *pdus.p_data(1, content, 400, command=False),
        pdus.HEAD.pack(pdus.PduType.RELEASE_RQ, 4) + bytes(4),
    ]


def mutated(sound: list[bytes], chance: random.Random) -> bytes:
    """PDUs left out, doubled or swapped, and bytes of them changed, lengths above all."""
    found = [bytearray(pdu) for pdu in sound]
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(found))
        pdu = found[at]
        match chance.randrange(7):
            case 0:
                del found[at]
            case 1:
                found.insert(at, bytearray(pdu))
            case 2:
                other = chance.randrange(len(found))
                found[at], found[other] = found[other], found[at]
            case 3:
                pdu[2:6] = struct.pack(">I", chance.choice((0, 1, len(pdu), 1 << 20, 0xFFFFFFFF)))
            case 4:
                del pdu[chance.randrange(len(pdu)) :]
            case _:
                for _ in range(chance.randint(1, 8)):
                    pdu[chance.randrange(min(len(pdu), 200))] = chance.randrange(256)
        if not all(found):
            break
    return b"".join(found)


def test_command_sets_and_values_are_read_or_refused() -> None:
    chance = random.Random(EXAMPLES)
    request = conversation()[1][pdus.HEAD.size + pdus.PDV_HEAD :]
    read = refused = 0
    for _ in range(EXAMPLES * 500):
        raw = bytearray(request)
        for _ in range(chance.randint(1, 6)):
            raw[chance.randrange(len(raw))] = chance.randrange(256)
        try:
            found = commands.decode(bytes(raw[: chance.randint(1, len(raw))]))
            _ = found.field, found.uid(Tag.AFFECTED_SOP_INSTANCE_UID)
            list(pdus.fragments_of(bytes(raw)))
            read += 1
        except ProtocolError:
            refused += 1
    assert refused > read


@pytest.mark.timeout(1800)
async def test_broken_conversations(tmp_path: Path, open_database: OpenDatabase) -> None:
    kit = Kit(tmp_path, await open_database("ingest", size=10))
    chance, sound = random.Random(EXAMPLES), conversation()
    limits: dict[str, Any] = {
        "dimse_acse_timeout": 0.2,
        "dimse_network_timeout": 0.2,
        "dimse_idle_timeout": 0.2,
    }
    async with door_of(kit, **limits) as door:

        async def converse(raw: bytes) -> None:
            reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
            with contextlib.suppress(ConnectionError):
                async with asyncio.timeout(PATIENCE):
                    writer.write(raw)
                    writer.write_eof()
                    while await reader.read(4096):
                        pass
            writer.close()

        for _ in range(EXAMPLES * 10):
            await asyncio.gather(*(converse(mutated(sound, chance)) for _ in range(8)))
        await eventually(lambda: door.counted("dimse_associations_open") == 0)
        assert door.counted("dimse_associations_ended_total", ending="failed") == 0
        for operation in ("C-STORE", "C-ECHO", "other"):
            assert door.counted("dimse_messages_total", operation=operation, status="0110") == 0
        # What came through is whole, and it is one object, however often.
        assert len(kit.objects()) <= 1

        async def sound_one() -> bool:
            try:
                sender = await RawSender.associated(door.port)
                sender.store_rq(INSTANCE)
                sender.data(data_set_of(ct_instance(rows=8, columns=8, sop_instance_uid=INSTANCE)))
                status = (await sender.response()).number(Tag.STATUS)
            except (ConnectionError, EOFError):
                return False  # a busy machine: a fifth of a second was over
            await sender.cut()
            assert status in (0x0000, 0xC111)
            return True

        await eventually(sound_one)
    assert len(kit.objects()) == 1
