"""The DICOM door on a real intake: what is kept, what is refused, and what a broken association leaves."""

from __future__ import annotations

import asyncio
import copy
import hashlib
import socket
import ssl
import subprocess
import time
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import orjson
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import UID, ExplicitVRLittleEndian
from pynetdicom import AE, evt

from libs.common.errors import Unavailable
from libs.common.ids import ObjectKey
from services.ingest.dimse import pdus
from services.ingest.dimse.callers import Caller, Calling, Stranger
from services.ingest.dimse.commands import Tag
from services.ingest.dimse.commitment import PUSH_MODEL, PUSH_MODEL_INSTANCE
from tests import wheel
from tests.builders import CT_IMAGE_STORAGE, EXPLICIT_LE, IMPLICIT_LE, UID_ROOT, ct_instance
from tests.certificates import Certificates
from tests.dimse_support import (
    VERIFICATION,
    RawSender,
    anybody,
    associate,
    associate_rq,
    data_set_of,
    door_of,
    in_association,
    parsed,
)
from tests.fixtures_postgres import OpenDatabase
from tests.ingest_support import OWNER, Kit
from tests.waiting import PATIENCE, eventually


@pytest.fixture
async def kit(tmp_path: Path, open_database: OpenDatabase) -> Kit:
    return Kit(tmp_path, await open_database("ingest", size=10))


async def stored(kit: Kit) -> list[Any]:
    async with kit.database.connection() as connection:
        return list(await connection.fetch("SELECT * FROM ingest.upload_dicomfile ORDER BY id"))


async def content_of(kit: Kit, key: str) -> bytes:
    reader = await kit.storage.open(ObjectKey(key))
    try:
        return await reader.read(0, reader.size)
    finally:
        await reader.close()


async def noted(sql: Any) -> list[dict[str, Any]]:
    rows = await sql.fetch("SELECT entry::text FROM auth.audit_pending ORDER BY id")
    return [orjson.loads(row[0]) for row in rows]


def sent(*contents: bytes) -> Any:
    """Work for an association: the statuses of these objects."""

    def send(association: Any) -> list[Any]:
        return [association.send_c_store(parsed(content)) for content in contents]

    return send


async def test_an_object_is_kept_as_it_came(kit: Kit, sql: Any) -> None:
    content = ct_instance(rows=300, columns=300)
    async with door_of(kit, dimse_max_pdu=4096) as door:
        (answer,) = await in_association(door.port, sent(content))
        assert answer.Status == 0x0000
        assert door.counted("dimse_messages_total", operation="C-STORE", status="0000") == 1
        assert door.counted("dimse_associations_accepted_total") == 1
        await eventually(lambda: door.counted("dimse_associations_ended_total", ending="released") == 1)
        assert door.counted("dimse_associations_open") == 0
    (row,) = await stored(kit)
    assert (row["owner_id"], row["collection"], row["state"]) == (OWNER, f"user:{OWNER}", "accepted")
    assert row["file_name"] == f"{row['sop_instance_uid']}.dcm"
    written = await content_of(kit, row["file"])
    assert data_set_of(written) == data_set_of(content)
    meta = parsed(written).file_meta
    assert meta.TransferSyntaxUID == ExplicitVRLittleEndian
    assert meta.SourceApplicationEntityTitle == "MODALITY"
    entries = await noted(sql)
    assert [(one["action"], one["actor"], one["ending"]) for one in entries] == [
        ("associate", "user:7", "success"),
        ("c_store", "user:7", "success"),
    ]
    assert entries[1]["objects"] == [str(row["id"])]
    assert entries[1]["details"]["ae_title"] == "MODALITY"


async def test_the_syntax_that_was_agreed_on_is_kept(kit: Kit) -> None:
    content = ct_instance(transfer_syntax=IMPLICIT_LE)
    async with door_of(kit) as door:
        await in_association(door.port, sent(content), (CT_IMAGE_STORAGE, [IMPLICIT_LE]))
    (row,) = await stored(kit)
    assert row["transfer_syntax_uid"] == IMPLICIT_LE
    assert data_set_of(await content_of(kit, row["file"])) == data_set_of(content)


async def test_duplicates_are_a_success_whoever_sent_them_first(kit: Kit, sql: Any) -> None:
    content = ct_instance()
    first = await kit.send(content)
    async with door_of(kit) as door:
        answers = await in_association(door.port, sent(content, content))
    assert [answer.Status for answer in answers] == [0x0000, 0x0000]
    assert [row["id"] for row in await stored(kit)] == [first.id]
    assert kit.objects() == [str(first.id)]
    duplicates = [one for one in await noted(sql) if one.get("details", {}).get("duplicate")]
    assert [one["objects"] for one in duplicates] == [[str(first.id)]] * 2


async def test_another_way_to_write_it_is_a_duplicate(kit: Kit) -> None:
    """Implicit VR instead of explicit, and sequences of undefined length instead of a stated one."""
    uid = f"{UID_ROOT}.77"
    content = ct_instance(seed=5, sop_instance_uid=uid)
    first = await kit.send(content)
    nested = parsed(content)
    nested.SOPInstanceUID = f"{uid}.1"
    nested.file_meta.MediaStorageSOPInstanceUID = UID(f"{uid}.1")
    nested.ReferencedStudySequence = [Dataset()]
    nested.ReferencedStudySequence[0].ReferencedSOPInstanceUID = "1.2.3"

    def encoded() -> bytes:
        nested.save_as(buffer := BytesIO(), enforce_file_format=True)
        return buffer.getvalue()

    stated = encoded()
    nested["ReferencedStudySequence"].is_undefined_length = True
    undefined = encoded()
    assert data_set_of(stated) != data_set_of(undefined)
    second = await kit.send(stated)
    async with door_of(kit) as door:
        answers = await in_association(
            door.port,
            sent(ct_instance(seed=5, sop_instance_uid=uid, transfer_syntax=IMPLICIT_LE)),
            (CT_IMAGE_STORAGE, [IMPLICIT_LE]),
        )
        sender = await RawSender.associated(door.port)
        sender.store_rq(f"{uid}.1")
        sender.data(data_set_of(undefined))
        assert (await sender.response()).number(Tag.STATUS) == 0x0000
        await sender.cut()
    assert [answer.Status for answer in answers] == [0x0000]
    assert sorted(kit.objects()) == sorted([str(first.id), str(second.id)])


async def test_faulty_file_meta_information_makes_no_other_data_set(kit: Kit) -> None:
    content = ct_instance(seed=5)
    assert content[132:138] == b"\2\0\0\0UL"
    await kit.send(content[:140] + b"\1" + content[141:])
    async with door_of(kit) as door:
        answers = await in_association(
            door.port,
            sent(ct_instance(seed=5, transfer_syntax=IMPLICIT_LE)),
            (CT_IMAGE_STORAGE, [IMPLICIT_LE]),
        )
    assert [answer.Status for answer in answers] == [0x0000]
    assert len(kit.objects()) == 1


async def test_what_a_sender_encoded_anew_is_a_duplicate(kit: Kit) -> None:
    padded = wheel.path_of("test_files/CT_small.dcm").read_bytes()
    await kit.send(padded)
    anew = pydicom.dcmread(BytesIO(padded))
    del anew[0xFFFCFFFC]
    anew.OtherPatientIDsSequence.is_undefined_length = True
    changed = copy.deepcopy(anew)
    changed.PatientName = "Somebody^Else"
    darker = copy.deepcopy(anew)
    darker.PixelData = bytes(2) + anew.PixelData[2:]
    contents = []
    for data_set in (anew, changed, darker):
        data_set.save_as(made := BytesIO())
        contents.append(made.getvalue())
    async with door_of(kit) as door:
        answers = await in_association(door.port, sent(*contents))
    assert [answer.Status for answer in answers] == [0x0000, 0xC111, 0xC111]
    assert len(kit.objects()) == 1


def of_many_vrs() -> Dataset:
    """What implicit VR tells otherwise: bytes of eight bits, integers with a sign, and private elements."""
    found = parsed(ct_instance(seed=5, SpecificCharacterSet="ISO_IR 100", PatientName="Núñez^Ana"))
    found.Rows = found.Columns = 5
    found.BitsAllocated, found.BitsStored, found.HighBit, found.PixelRepresentation = 8, 8, 7, 1
    found.add_new(0x7FE00010, "OB", bytes(range(26)))
    found.add_new(0x00280106, "US", 0xFFFF)
    block = found.private_block(0x0099, "TESTS", create=True)
    inner, item = Dataset(), Dataset()
    inner.add_new(0x00081050, "PN", "Peña^Eva")
    item.private_block(0x0099, "TESTS", create=True).add_new(1, "LO", ["Año", "b"])
    item.ReferencedSOPSequence = [inner, Dataset()]
    for number, (vr, value) in enumerate(
        (
            ("LO", ["Año", "", "x "]), ("PN", "Peña^Eva"), ("DS", ["1.50", "2"]), ("FD", [0.1, -3.0]),
            ("UL", [1, 2]), ("AT", 0x00100010), ("UT", "long ä" * 600), ("SH", ""), ("OB", b"\1\2"),
            ("OW", bytes(3000)), ("SQ", [item, Dataset()]), ("SQ", []), ("ST", "  "),
        ),
        1,
    ):  # fmt: skip
        block.add_new(number, vr, value)
    return found


async def test_the_other_kind_of_vr_is_a_duplicate_whatever_the_elements(kit: Kit) -> None:
    def encoded(data_set: Dataset, *, implicit: bool) -> bytes:
        made = copy.deepcopy(data_set)
        made.file_meta = copy.deepcopy(data_set.file_meta)
        made.file_meta.TransferSyntaxUID = UID(IMPLICIT_LE if implicit else EXPLICIT_LE)
        pydicom.dcmwrite(buffer := BytesIO(), made, implicit_vr=implicit, little_endian=True, overwrite=True)
        return buffer.getvalue()

    same = of_many_vrs()
    others = []
    for tag, value in (
        (0x1001, "Ano"),
        (0x1004, [0.1, -4.0]),
        (0x1007, "long ä" * 599 + "long a"),
        (0x1009, b"\1\3"),
    ):
        others.append(of_many_vrs())
        others[-1][0x0099, tag].value = value
    others.append(of_many_vrs())
    others[-1][0x0099, 0x100B].value[0].ReferencedSOPSequence[0].PerformingPhysicianName = "Peña^Ada"
    others.append(of_many_vrs())
    others[-1].PixelData = bytes(26)
    await kit.send(encoded(same, implicit=False))
    async with door_of(kit) as door:
        answers = await in_association(
            door.port,
            sent(*(encoded(one, implicit=True) for one in (same, *others))),
            (CT_IMAGE_STORAGE, [IMPLICIT_LE]),
        )
    assert [answer.Status for answer in answers] == [0x0000, *[0xC111] * len(others)]
    assert len(kit.objects()) == 1


async def test_what_no_header_tells_is_told_apart(kit: Kit) -> None:
    await kit.send(ct_instance(seed=1, AcquisitionDuration=float("nan")))
    other = data_set_of(ct_instance(seed=1, AcquisitionDuration=float("inf")))
    async with door_of(kit) as door:
        sender = await RawSender.associated(door.port)
        sender.store_rq(parsed(ct_instance(seed=1)).SOPInstanceUID)
        sender.data(other)
        assert (await sender.response()).number(Tag.STATUS) == 0xC111
        await sender.cut()


async def test_other_pixels_under_a_known_uid_are_refused(kit: Kit) -> None:
    await kit.send(ct_instance(seed=1))
    other = ct_instance(seed=1, pixels=bytes(64 * 64 * 2))
    async with door_of(kit) as door:
        (answer,) = await in_association(door.port, sent(other))
    assert answer.Status == 0xC111
    assert "SOP Instance UID" in answer.ErrorComment
    assert len(kit.objects()) == 1


async def test_refusals_say_why_and_the_association_goes_on(kit: Kit, sql: Any) -> None:
    without_study = ct_instance(seed=1, StudyInstanceUID=None)
    async with door_of(kit) as door:
        answers = await in_association(door.port, sent(without_study, ct_instance(seed=2)))
        assert [answer.Status for answer in answers] == [0xA900, 0x0000]
        assert "Study" in answers[0].ErrorComment
        sender = await RawSender.associated(door.port)
        # Broken off within an element: what was announced never comes.
        sender.store_rq("1.2.3")
        sender.data(data_set_of(ct_instance(seed=3))[:-100])
        assert (await sender.response()).number(Tag.STATUS) == 0xC000
        # The command and the data set speak of two instances.
        sender.store_rq("1.2.3")
        sender.data(data_set_of(ct_instance(seed=3)))
        assert (await sender.response()).number(Tag.STATUS) == 0xA900
        # The class is not that of the presentation context.
        sender.store_rq("1.2.3", sop_class="1.2.840.10008.5.1.4.1.1.4")
        sender.data(data_set_of(ct_instance(seed=3)))
        assert (await sender.response()).number(Tag.STATUS) == 0x0122
        sender.store_rq("no uid")
        sender.data(b"", last=False)
        sender.data(data_set_of(ct_instance(seed=3)))
        assert (await sender.response()).number(Tag.STATUS) == 0x0117
        sender.store_rq(f"{parsed(ct_instance(seed=4)).SOPInstanceUID}")
        sender.data(data_set_of(ct_instance(seed=4)))
        assert (await sender.response()).number(Tag.STATUS) == 0x0000
        await sender.cut()
    assert len(kit.objects()) == 2
    refused = [one for one in await noted(sql) if one["ending"] == "refused"]
    assert [one["details"]["status"] for one in refused] == [0xA900, 0xC000, 0xA900, 0x0122, 0x0117]


async def test_no_room_and_too_much_at_once_are_out_of_resources(kit: Kit) -> None:
    large = ct_instance(rows=1300, columns=1300)
    async with door_of(kit) as door:
        answers = await in_association(door.port, sent(large, ct_instance()))
    assert [answer.Status for answer in answers] == [0xA700, 0x0000]
    async with door_of(kit, of_bytes=100_000) as door:
        slow = await RawSender.associated(door.port)
        slow.store_rq("1.2.3")
        slow.data(bytes(90_000), last=False)
        await eventually(lambda: "dicom" not in kit.objects())
        (answer,) = await in_association(door.port, sent(ct_instance(rows=300, columns=300, seed=9)))
        assert answer.Status == 0xA700
        await slow.cut()
    assert len(kit.objects()) == 1


@pytest.mark.parametrize("how", ["cut", "abort", "protocol", "release", "shutdown"])
async def test_a_broken_object_leaves_nothing(kit: Kit, how: str) -> None:
    content = data_set_of(ct_instance(rows=1100, columns=1100))
    async with door_of(kit) as door:
        sender = await RawSender.associated(door.port)
        sender.store_rq(f"{parsed(ct_instance()).SOPInstanceUID}")
        for start in range(0, 2_000_000, 100_000):
            sender.data(content[start : start + 100_000], last=False)
        await eventually(lambda: bool(kit.objects()))
        match how:
            case "cut":
                await sender.cut()
            case "abort":
                sender.writer.write(pdus.abort())
            case "protocol":
                sender.echo_rq()
            case "release":
                sender.writer.write(pdus.HEAD.pack(pdus.PduType.RELEASE_RQ, 4) + bytes(4))
        if how != "shutdown":
            await eventually(lambda: not kit.objects())
        await sender.cut()
    assert kit.objects() == []
    assert await stored(kit) == []


async def test_who_is_not_let_in(kit: Kit, sql: Any) -> None:
    async def nobody(calling: Calling) -> Caller:
        raise Stranger(f"no peer {calling.ae_title}")

    async def unknown(calling: Calling) -> Caller:
        raise Unavailable("the database is away")

    async with door_of(kit) as door:
        sender = RawSender(*await asyncio.open_connection("127.0.0.1", door.port))
        sender.writer.write(associate_rq((VERIFICATION, [IMPLICIT_LE]), called=b"OTHER"))
        assert await sender.pdu() == (pdus.PduType.ASSOCIATE_RJ, b"\0\1\1\7")
        await sender.cut()
    async with door_of(kit, identify=nobody) as door:
        sender = RawSender(*await asyncio.open_connection("127.0.0.1", door.port))
        sender.writer.write(associate_rq((VERIFICATION, [IMPLICIT_LE])))
        assert await sender.pdu() == (pdus.PduType.ASSOCIATE_RJ, b"\0\1\1\3")
        assert door.counted("dimse_associations_rejected_total", reason="calling-ae-title") == 1
        await sender.cut()
    async with door_of(kit, identify=unknown) as door:
        sender = RawSender(*await asyncio.open_connection("127.0.0.1", door.port))
        sender.writer.write(associate_rq((VERIFICATION, [IMPLICIT_LE])))
        assert await sender.pdu() == (pdus.PduType.ASSOCIATE_RJ, b"\0\2\3\1")
        await sender.cut()
    assert [(one["ending"], one["details"]["reason"]) for one in await noted(sql)] == [
        ("refused", "called-ae-title"),
        ("refused", "calling-ae-title"),
        ("refused", "congestion"),
    ]


@pytest.mark.parametrize(
    ("settings", "reason"),
    [({"dimse_associations": 1}, b"\1"), ({"dimse_associations_per_peer": 1}, b"\2")],
)
async def test_a_full_system_rejects_for_now(kit: Kit, settings: dict[str, Any], reason: bytes) -> None:
    async with door_of(kit, **settings) as door:
        first = await RawSender.associated(door.port)
        second = RawSender(*await asyncio.open_connection("127.0.0.1", door.port))
        second.writer.write(associate_rq((VERIFICATION, [IMPLICIT_LE])))
        assert await second.pdu() == (pdus.PduType.ASSOCIATE_RJ, b"\0\2\3" + reason)
        await first.cut()
        await eventually(lambda: door.counted("dimse_associations_open") == 0)
        third = await RawSender.associated(door.port)
        for sender in (second, third):
            await sender.cut()


async def test_who_says_nothing_is_let_go(kit: Kit) -> None:
    # Each limit at a door of its own, so that none cuts short what comes before.
    async with door_of(kit, dimse_acse_timeout=0.3) as door:
        mute = RawSender(*await asyncio.open_connection("127.0.0.1", door.port))
        assert await mute.reader.read() == b""
        await mute.cut()
    async with door_of(kit, dimse_idle_timeout=0.2) as door:
        idle = await RawSender.associated(door.port)
        assert (await idle.pdu())[0] == pdus.PduType.ABORT
        await eventually(lambda: door.counted("dimse_associations_ended_total", ending="timeout") == 1)
        await idle.cut()
    async with door_of(kit, dimse_network_timeout=0.2) as door:
        half = await RawSender.associated(door.port)
        half.store_rq("1.2.3")
        half.data(b"abc", last=False)
        assert (await half.pdu())[0] == pdus.PduType.ABORT
        await eventually(lambda: door.counted("dimse_associations_ended_total", ending="timeout") == 1)
        await half.cut()
    assert kit.objects() == []


async def test_the_object_under_way_is_finished_at_shutdown(
    kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.ingest.dimse.association.RIGHTS_SECONDS", 0.0)
    content, asked = ct_instance(), []

    async def noticing(calling: Calling) -> Caller:
        asked.append(calling)
        return await anybody(calling)

    async with door_of(kit, identify=noticing) as door:
        idle = await RawSender.associated(door.port)
        busy = await RawSender.associated(door.port)
        busy.store_rq(str(parsed(content).SOPInstanceUID))
        busy.data(data_set_of(content)[:1000], last=False)
        await eventually(lambda: len(asked) == 3)  # for two associations, and for the command
        door.door.drain()
        assert (await idle.pdu())[0] == pdus.PduType.ABORT
        busy.data(data_set_of(content)[1000:])
        assert (await busy.response()).number(Tag.STATUS) == 0x0000
        assert (await busy.pdu())[0] == pdus.PduType.ABORT
        for sender in (idle, busy):
            await sender.cut()
        async with asyncio.timeout(PATIENCE):
            await door.running.ended()
        with pytest.raises(OSError):
            await asyncio.open_connection("127.0.0.1", door.port)
    assert len(await stored(kit)) == 1


@pytest.mark.parametrize(
    "broken",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        pdus.HEAD.pack(1, 0xFFFFFFFF),
        pdus.HEAD.pack(1, 100) + bytes(100),
        pdus.HEAD.pack(4, 4) + bytes(4),
        pdus.HEAD.pack(9, 0),
        pdus.abort(),
    ],
)
async def test_what_is_no_association_is_turned_away(kit: Kit, broken: bytes) -> None:
    async with door_of(kit, dimse_acse_timeout=5) as door:
        reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
        writer.write(broken)
        async with asyncio.timeout(PATIENCE):
            answer = await reader.read()
        writer.close()
        assert answer[:1] in (b"", b"\3", b"\7")
        sound = await RawSender.associated(door.port)
        await sound.cut()


async def test_operations_that_are_not_served(kit: Kit) -> None:
    async with door_of(kit) as door:
        sender = await RawSender.associated(door.port)
        sender.command({Tag.COMMAND_FIELD: 0x0020, Tag.MESSAGE_ID: 3, Tag.COMMAND_DATA_SET_TYPE: 1})
        sender.data(b"whatever is asked")
        answer = await sender.response()
        assert (answer.field, answer.number(Tag.STATUS)) == (0x8020, 0x0211)
        sender.echo_rq()
        assert (await sender.response()).number(Tag.STATUS) == 0x0000
        await sender.cut()


async def test_who_may_send_no_more_is_told_within_an_association(
    kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.ingest.dimse.association.RIGHTS_SECONDS", 0.0)
    shut_out = False

    async def asked(calling: Calling) -> Caller:
        if shut_out:
            raise Stranger("its account was closed")
        return await anybody(calling)

    async with door_of(kit, identify=asked) as door:
        sender = await RawSender.associated(door.port)
        statuses = []
        for seed in range(2):
            content = ct_instance(seed=seed)
            sender.store_rq(str(parsed(content).SOPInstanceUID))
            sender.data(data_set_of(content))
            statuses.append((await sender.response()).number(Tag.STATUS))
            shut_out = True
        await sender.cut()
    assert statuses == [0x0000, 0x0124]
    assert len(kit.objects()) == 1


async def test_refused_association_of_pynetdicom(kit: Kit) -> None:
    async with door_of(kit) as door:
        refused = await asyncio.to_thread(associate, door.port, (VERIFICATION, [IMPLICIT_LE]), called="X")
        assert refused.is_rejected


def self_signed(folder: Path, name: str) -> tuple[Path, Path]:
    """A sender's certificate and key, as many modalities make them."""
    certificate, key = folder / f"{name}.crt", folder / f"{name}.key"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    command += ["-subj", f"/CN={name}", "-days", "2", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    return certificate, key


async def test_tls_and_the_certificates_of_senders(kit: Kit, tmp_path: Path) -> None:
    """Who shows none, or one that nobody vouches for, gets no association; peers are told apart by it."""
    ours = Certificates(tmp_path / "ca")
    files = ours.issue(tmp_path / "ours")
    known, stranger = self_signed(tmp_path, "known"), self_signed(tmp_path, "stranger")
    shown: list[str | None] = []

    async def noticing(calling: Calling) -> Caller:
        shown.append(calling.certificate)
        return await anybody(calling)

    tls: dict[str, Any] = {
        "dimse_tls_cert_file": files.certificate,
        "dimse_tls_key_file": files.key,
        "dimse_tls_ca_file": known[0],
    }
    async with door_of(kit, identify=noticing, **tls) as door:

        async def echo(shows: tuple[Path, Path] | None) -> int:
            context = ours.client()
            if shows is not None:
                context.load_cert_chain(*shows)
            reader, writer = await asyncio.open_connection(
                "localhost", door.port, ssl=context, family=socket.AF_INET
            )
            sender = RawSender(reader, writer)
            try:
                writer.write(associate_rq((VERIFICATION, [IMPLICIT_LE])))
                kind, _ = await sender.pdu()
                sender.echo_rq()
                assert (await sender.response()).number(Tag.STATUS) == 0x0000
                await sender.cut()
                return kind
            finally:
                writer.close()

        assert await echo(known) == pdus.PduType.ASSOCIATE_AC
        for shows in (None, stranger):
            with pytest.raises((OSError, asyncio.IncompleteReadError)):
                await echo(shows)
        plain = RawSender(*await asyncio.open_connection("127.0.0.1", door.port))
        plain.writer.write(associate_rq((VERIFICATION, [IMPLICIT_LE])))
        with pytest.raises((OSError, asyncio.IncompleteReadError)):
            await plain.pdu()
        await plain.cut()
    digest = ssl.PEM_cert_to_DER_cert(known[0].read_text())
    assert shown == [hashlib.sha256(digest).hexdigest()]


def committing(*references: tuple[str, str]) -> Dataset:
    """What an N-ACTION asks for."""
    asked = Dataset()
    asked.TransactionUID = "1.2.3.4"
    asked.ReferencedSOPSequence = []
    for sop_class_uid, uid in references:
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class_uid, uid
        asked.ReferencedSOPSequence.append(item)
    return asked


class Reports:
    """What a peer is told of storage commitment."""

    def __init__(self) -> None:
        self.told: list[tuple[int, Dataset]] = []
        self.handlers: list[Any] = [(evt.EVT_N_EVENT_REPORT, self.take)]

    def take(self, event: Any) -> tuple[int, None]:
        self.told.append((event.event_type, event.event_information))
        return 0x0000, None


MR_IMAGE_STORAGE = "1.2.840.10008.5.1.4.1.1.4"


async def test_storage_commitment_on_the_same_association(kit: Kit, sql: Any) -> None:
    kept = await kit.send(ct_instance(seed=1))
    uid, reports = kept.file.sop_instance_uid, Reports()
    asked = committing((CT_IMAGE_STORAGE, uid), (CT_IMAGE_STORAGE, "1.2.9"), (MR_IMAGE_STORAGE, uid))

    def ask(port: int) -> None:
        association = associate(port, (PUSH_MODEL, [IMPLICIT_LE]), handlers=reports.handlers)
        for data_set in (committing((CT_IMAGE_STORAGE, uid)), asked):
            count = len(reports.told)
            status, _ = association.send_n_action(data_set, 1, PUSH_MODEL, PUSH_MODEL_INSTANCE)
            assert status.Status == 0x0000
            deadline = time.monotonic() + PATIENCE
            while len(reports.told) == count and time.monotonic() < deadline:
                time.sleep(0.01)
        status, _ = association.send_n_action(asked, 2, PUSH_MODEL, PUSH_MODEL_INSTANCE)
        assert status.Status == 0x0123
        status, _ = association.send_n_action(committing(), 1, PUSH_MODEL, PUSH_MODEL_INSTANCE)
        assert status.Status == 0x0110
        association.release()
        assert association.is_released

    async with door_of(kit) as door:
        await asyncio.to_thread(ask, door.port)
    (first, all_kept), (second, some) = reports.told
    assert (first, second) == (1, 2)
    assert all_kept.TransactionUID == "1.2.3.4"
    assert [item.ReferencedSOPInstanceUID for item in all_kept.ReferencedSOPSequence] == [uid]
    assert "FailedSOPSequence" not in all_kept
    assert [item.ReferencedSOPClassUID for item in some.ReferencedSOPSequence] == [CT_IMAGE_STORAGE]
    failed = [(item.ReferencedSOPInstanceUID, item.FailureReason) for item in some.FailedSOPSequence]
    assert failed == [("1.2.9", 0x0112), (uid, 0x0119)]
    told = [one["details"] for one in await noted(sql) if one["action"] == "commit_storage"]
    assert [(one["kept"], one["failed"]) for one in told] == [(1, 0), (1, 2)]


async def test_storage_commitment_on_an_association_of_our_own(kit: Kit) -> None:
    kept = await kit.send(ct_instance(seed=1))
    reports = Reports()
    listening = AE(ae_title="MODALITY")
    listening.add_supported_context(PUSH_MODEL, scu_role=False, scp_role=True)
    server = listening.start_server(("127.0.0.1", 0), block=False, evt_handlers=reports.handlers)
    assert server is not None
    try:

        async def listens(calling: Calling) -> Caller:
            return replace(await anybody(calling), port=server.server_address[1])

        def ask(association: Any) -> None:
            asked = committing((CT_IMAGE_STORAGE, kept.file.sop_instance_uid))
            status, _ = association.send_n_action(asked, 1, PUSH_MODEL, PUSH_MODEL_INSTANCE)
            assert status.Status == 0x0000

        async with door_of(kit, identify=listens) as door:
            await in_association(door.port, ask, (PUSH_MODEL, [EXPLICIT_LE]))
            await eventually(lambda: len(reports.told) == 1)
    finally:
        await asyncio.to_thread(server.shutdown)
    assert [kind for kind, _ in reports.told] == [1]
