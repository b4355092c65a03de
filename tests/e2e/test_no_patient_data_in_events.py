"""A canary in every text element: no message and no outbox row may sing."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager

import aio_pika
import asyncpg
import pytest
from pydicom.datadict import DicomDictionary, dictionary_VR, tag_for_keyword

from libs.common.bus.topology import TOPOLOGY
from tests.builders import UID_ROOT, ct_elements, ct_pixels, part10
from tests.e2e.conftest import NewUser, System
from tests.encoder import LITTLE, PIXEL_DATA
from tests.waiting import eventually

TEXT = {"AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UR", "UT"}
MARK = re.compile(r"Z[QNP][0-9A-F]{8}")
DEVICE = {0x00080070, 0x00081010, 0x00081090}
"""Manufacturer, station name and model: a device's name is no patient's."""
MEASURED = ("RescaleType", "RescaleSlope", "RescaleIntercept", "WindowCenter", "NumberOfFrames")
"""Text that measuring reads; marked in a file of its own, which may well fail."""
KEPT = {*map(tag_for_keyword, (*MEASURED, "SpecificCharacterSet", "PhotometricInterpretation"))}
"""Without these there is nothing to measure."""
Elements = dict[int, bytes]


def mark(kind: str, tag: int) -> str:
    """A string that fits every text VR, and tells where it comes from."""
    return f"Z{kind}{tag:08X}"


def text_tags() -> Iterator[tuple[int, str]]:
    """Every public element of the dictionary that holds text, and is not part of how a file is read."""
    for tag, (representation, *_) in DicomDictionary.items():
        if tag >> 16 > 2 and tag not in KEPT and representation.split(" or ")[0] in TEXT:
            yield tag, representation.split(" or ")[0]


def marked(seed: int) -> bytes:
    """A CT instance with marks in all public text, in a sequence's items, and in private elements."""
    elements: Elements = _ct(seed)
    for tag, vr in text_tags():
        elements[tag] = LITTLE.element(tag, vr, mark("Q", tag))
    inner = b"".join(LITTLE.element(tag, vr, mark("N", tag)) for tag, vr in sorted(text_tags()))
    elements[0x00400275] = LITTLE.sequence(0x00400275, [inner, inner])
    elements[0x00090010] = LITTLE.element(0x00090010, "LO", mark("P", 0x00090010))
    for number, vr in enumerate(sorted(TEXT)):
        tag = 0x00091000 + number
        elements[tag] = LITTLE.element(tag, vr, mark("P", tag))
    return _file(elements, seed)


def marked_where_it_is_measured(keyword: str, seed: int) -> bytes:
    """A CT instance with a mark, and a NUL behind it, in one element that the decoder reads."""
    tag = tag_for_keyword(keyword)
    assert tag is not None
    value = mark("Q", tag).encode() + b"\0" + mark("Q", tag).encode()
    return _file({**_ct(seed), tag: LITTLE.element(tag, dictionary_VR(tag), value)}, seed)


def _ct(seed: int) -> Elements:
    uids = {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.2", "SOPInstanceUID": f"{UID_ROOT}.16.{seed}"}
    uids |= {"StudyInstanceUID": f"{UID_ROOT}.16", "SeriesInstanceUID": f"{UID_ROOT}.16.1"}
    found: Elements = {}
    for keyword, value in {**ct_elements(64, 64, 16, None, seed), **uids}.items():
        tag = tag_for_keyword(keyword)
        assert tag is not None
        found[tag] = LITTLE.element(tag, dictionary_VR(tag).split(" or ")[0], value)
    found[PIXEL_DATA] = LITTLE.element(PIXEL_DATA, "OW", ct_pixels(64, 64, seed=seed).tobytes())
    return found


def _file(elements: Elements, seed: int) -> bytes:
    body = b"".join(elements[tag] for tag in sorted(elements))
    return part10(body, sop_instance_uid=f"{UID_ROOT}.16.{seed}")


def singing(told: str) -> set[str]:
    """Marks that may not be there: of anything but coded strings and the device's name."""
    found = set()
    for canary in set(MARK.findall(told)):
        tag = int(canary[2:], 16)
        allowed = canary[1] in "QN" and (dictionary_VR(tag) == "CS" or (canary[1] == "Q" and tag in DEVICE))
        if not allowed:
            found.add(canary)
    return found | ({"file name"} if "CANARY" in told else set())


@asynccontextmanager
async def tapped(amqp_url: str) -> AsyncIterator[Callable[[], Awaitable[list[str]]]]:
    """Everything that is published meanwhile, whatever its routing key, and what lies in the dead queues."""
    async with await aio_pika.connect(amqp_url) as connection, connection.channel() as channel:
        tap = await channel.declare_queue("", exclusive=True)
        await tap.bind(TOPOLOGY.exchange, "#")

        async def told() -> list[str]:
            messages = []
            queues = [tap]
            for name in TOPOLOGY.dead_queues():
                queues.append(await channel.get_queue(name))
            for queue in queues:
                while (message := await queue.get(fail=False)) is not None:
                    messages.append(f"{message.body.decode()} {message.headers} {message.message_id}")
            return messages

        yield told


async def outbox_rows(system: System) -> list[str]:
    """Every row of the outbox, with whatever it says."""
    connection = await asyncpg.connect(system.database_url("ingest"))
    try:
        return [row[0] for row in await connection.fetch("SELECT o::text FROM ingest.outbox AS o")]
    finally:
        await connection.close()


async def outcomes(system: System, file_ids: list[str]) -> list[str]:
    """What results took from the events: all that in process is to be seen of those a handler publishes."""
    connection = await asyncpg.connect(system.database_url("results"))
    try:
        rows = await connection.fetch(
            "SELECT device_name || statistics::text || coalesce(failure_reason, '') "
            "FROM results.upload_dicomresult WHERE file_id = ANY($1::uuid[])",
            file_ids,
        )
        return [row[0] or "" for row in rows]
    finally:
        await connection.close()


async def send(new_user: NewUser) -> list[str]:
    """Upload the marked files and wait until each has ended; returns the ids of those that were accepted."""
    client = await new_user()
    files = [marked(0), *(marked_where_it_is_measured(k, seed) for seed, k in enumerate(MEASURED, 1))]
    _, body = await client.upload(*(("CANARY^NAME.dcm", content) for content in files))
    accepted = [entry["id"] for entry in body["files"] if entry["id"] is not None]
    assert body["files"][0]["id"] in accepted
    results = [await client.ended(file_id) for file_id in accepted]
    assert results[0]["state"] == "processed"
    assert mark("Q", 0x00080070) in results[0]["device_name"], "the canaries are there"
    return accepted


def test_the_marks_are_everywhere() -> None:
    """The test itself: all VRs of text, and marks that would be found."""
    assert {vr for _, vr in text_tags()} == TEXT
    assert singing(f"{mark('Q', 0x00100010)} {mark('Q', 0x00080060)}") == {mark("Q", 0x00100010)}
    assert singing(mark("P", 0x00091000)) == {mark("P", 0x00091000)}
    assert singing(mark("N", 0x00080070)) == {mark("N", 0x00080070)}


@pytest.mark.parametrize("system", ["separate"], indirect=True)
async def test_no_message_carries_text_of_the_header(
    system: System, new_user: NewUser, session_amqp_url: str
) -> None:
    async with tapped(session_amqp_url) as messages:
        accepted, told = await send(new_user), list[str]()

        async def all_told() -> bool:
            told.extend(await messages())
            return all(sum(file_id in message for message in told) >= 2 for file_id in accepted)

        await eventually(all_told)
    rows = await outbox_rows(system)
    assert sum(any(file_id in row for file_id in accepted) for row in rows) >= len(accepted)
    assert singing("\n".join([*told, *rows])) == set()


@pytest.mark.parametrize("system", ["embedded"], indirect=True)
async def test_no_event_in_process_carries_text_of_the_header(system: System, new_user: NewUser) -> None:
    accepted = await send(new_user)
    rows = await outbox_rows(system)
    assert sum(any(file_id in row for file_id in accepted) for row in rows) >= len(accepted)
    taken = await outcomes(system, accepted)
    assert len(taken) == len(accepted)
    assert singing("\n".join([*rows, *taken])) == set()
