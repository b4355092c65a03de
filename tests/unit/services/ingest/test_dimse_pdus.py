"""PDUs and command sets: what is read is what was written, and broken ones are told apart."""

from __future__ import annotations

import struct
from io import BytesIO

import pytest
from pydicom.dataset import Dataset
from pynetdicom.dsutils import decode as pynetdicom_decode
from pynetdicom.dsutils import encode as pynetdicom_encode

from services.ingest.dimse import commands, pdus
from services.ingest.dimse.commands import CommandField, Tag
from services.ingest.dimse.file_meta import file_meta
from services.ingest.dimse.pdus import Fragment, ProtocolError, fragments_of, p_data
from tests.builders import CT_IMAGE_STORAGE, EXPLICIT_LE
from tests.dimse_support import parsed


def test_a_message_is_cut_to_what_the_peer_takes() -> None:
    message = bytes(range(100))
    found = list(p_data(3, message, 40, command=True))
    assert [len(pdu) - pdus.HEAD.size for pdu in found] == [40, 40, 38]
    fragments = [one for pdu in found for one in fragments_of(pdu[pdus.HEAD.size :])]
    assert b"".join(one.data for one in fragments) == message
    assert [(one.context_id, one.is_command, one.is_last) for one in fragments] == [
        (3, True, False),
        (3, True, False),
        (3, True, True),
    ]
    assert len(list(p_data(3, message, 0, command=True))) == 1


def test_several_values_in_one_pdu() -> None:
    body = b"".join(
        pdu[pdus.HEAD.size :]
        for pdu in (*p_data(1, b"ab", 0, command=True), *p_data(1, b"cd", 0, command=False))
    )
    assert list(fragments_of(body)) == [Fragment(1, True, True, b"ab"), Fragment(1, False, True, b"cd")]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\0\0\0",
        struct.pack(">IBB", 1, 1, 3),
        struct.pack(">IBB", 9, 1, 3) + b"abc",
        struct.pack(">IBB", 0xFFFFFFFF, 1, 3) + b"abc",
    ],
)
def test_broken_values_are_refused(body: bytes) -> None:
    with pytest.raises(ProtocolError):
        list(fragments_of(body))


def test_a_command_of_pynetdicom_is_read() -> None:
    wanted = Dataset()
    wanted.CommandGroupLength = 0
    wanted.AffectedSOPClassUID = CT_IMAGE_STORAGE
    wanted.CommandField = 1
    wanted.MessageID = 65535
    wanted.CommandDataSetType = 1
    wanted.AffectedSOPInstanceUID = "1.2.3"
    raw = pynetdicom_encode(wanted, True, True)
    assert raw is not None
    found = commands.decode(raw)
    assert (found.field, found.message_id, found.has_data_set) == (CommandField.C_STORE, 65535, True)
    assert found.uid(Tag.AFFECTED_SOP_INSTANCE_UID) == "1.2.3"


def test_pynetdicom_reads_a_response() -> None:
    request = commands.decode(
        commands.encode(
            {
                Tag.AFFECTED_SOP_CLASS_UID: CT_IMAGE_STORAGE,
                Tag.COMMAND_FIELD: 1,
                Tag.MESSAGE_ID: 5,
                Tag.COMMAND_DATA_SET_TYPE: 1,
                Tag.AFFECTED_SOP_INSTANCE_UID: "1.2.3.4",
            }
        )
    )
    raw = commands.response(request, 0xA900, "é" + "x" * 100)
    found = pynetdicom_decode(BytesIO(raw), True, True)
    assert found.CommandField == 0x8001
    assert found.MessageIDBeingRespondedTo == 5
    assert found.Status == 0xA900
    assert found.CommandDataSetType == 0x0101
    assert found.ErrorComment == "?" + "x" * 63
    assert (found.AffectedSOPClassUID, found.AffectedSOPInstanceUID) == (CT_IMAGE_STORAGE, "1.2.3.4")
    assert found.CommandGroupLength == len(raw) - 12


@pytest.mark.parametrize(
    "raw",
    [
        b"\0\0",
        struct.pack("<HHI", 8, 0x16, 0),
        struct.pack("<HHI", 0, 0x100, 2),
        struct.pack("<HHIH", 0, 0x100, 0xFFFFFFFF, 1),
    ],
)
def test_broken_commands_are_refused(raw: bytes) -> None:
    with pytest.raises(ProtocolError):
        commands.decode(raw)


def test_a_command_without_its_field_is_refused() -> None:
    with pytest.raises(ProtocolError, match="COMMAND_FIELD"):
        _ = commands.decode(b"").field


def test_file_meta_is_what_pydicom_reads() -> None:
    content = file_meta(CT_IMAGE_STORAGE, "1.2.3", EXPLICIT_LE, "CT 1")
    meta = parsed(content).file_meta
    assert meta.MediaStorageSOPClassUID == CT_IMAGE_STORAGE
    assert meta.MediaStorageSOPInstanceUID == "1.2.3"
    assert meta.TransferSyntaxUID == EXPLICIT_LE
    assert meta.SourceApplicationEntityTitle == "CT 1"
    assert meta.FileMetaInformationVersion == b"\0\1"
    assert meta.FileMetaInformationGroupLength == len(content) - 144
    assert file_meta(CT_IMAGE_STORAGE, "1.2.3", EXPLICIT_LE, "CT 1") == content
