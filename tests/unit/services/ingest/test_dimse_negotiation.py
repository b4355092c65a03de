"""Which presentation contexts are accepted, in whose order, and what no association begins with."""

from __future__ import annotations

import random

import pytest
from pynetdicom.pdu import A_ASSOCIATE_AC

from libs.dicom.pixels.codecs import CODECS
from services.ingest.dimse import negotiation, pdus, sop_classes, syntaxes
from services.ingest.dimse.negotiation import Context
from services.ingest.dimse.pdus import HEAD, ProtocolError
from tests.builders import CT_IMAGE_STORAGE, DEFLATED, EXPLICIT_BE, EXPLICIT_LE, IMPLICIT_LE, JPEG_BASELINE
from tests.dimse_support import VERIFICATION, associate_rq

JPEG_LOSSLESS = "1.2.840.10008.1.2.4.70"
PRIVATE = "1.3.46.670589.11.0.0.12.1"
FIND = "1.2.840.10008.5.1.4.1.2.2.1"


def answered(request: bytes, *, unknown: bool = False, max_pdu: int = 65536) -> negotiation.Agreement:
    found = negotiation.answer(
        negotiation.read_request(request[HEAD.size :]), unknown=unknown, max_pdu=max_pdu
    )
    assert isinstance(found, negotiation.Agreement)
    return found


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        ([IMPLICIT_LE, EXPLICIT_LE, DEFLATED, EXPLICIT_BE], EXPLICIT_LE),
        ([IMPLICIT_LE, EXPLICIT_BE], EXPLICIT_BE),
        ([IMPLICIT_LE], IMPLICIT_LE),
        ([EXPLICIT_LE, JPEG_BASELINE, JPEG_LOSSLESS], JPEG_LOSSLESS),
        ([IMPLICIT_LE, JPEG_BASELINE], JPEG_BASELINE),
        (["1.2.840.10008.1.2.4.94", "1.2.3"], None),
        ([], None),
    ],
)
def test_the_acceptors_order_decides(offered: list[str], chosen: str | None) -> None:
    assert syntaxes.preferred(offered) == chosen


def test_each_transfer_syntax_has_one_place() -> None:
    assert len(set(syntaxes.PREFERRED)) == len(syntaxes.PREFERRED)
    assert syntaxes.PREFERRED[-1] == IMPLICIT_LE
    # What can be decoded may be sent.
    assert CODECS.keys() <= {*syntaxes.PREFERRED}


def test_contexts_are_answered_one_by_one() -> None:
    found = answered(
        associate_rq(
            (VERIFICATION, [IMPLICIT_LE, JPEG_BASELINE]),
            (CT_IMAGE_STORAGE, [JPEG_BASELINE, EXPLICIT_LE]),
            (PRIVATE, [EXPLICIT_LE]),
            (FIND, [EXPLICIT_LE]),
            (CT_IMAGE_STORAGE, ["1.2.3"]),
        )
    )
    assert found.contexts == {
        1: Context(VERIFICATION, IMPLICIT_LE),
        3: Context(CT_IMAGE_STORAGE, JPEG_BASELINE),
    }
    assert found.max_pdu == 16384
    accepted = A_ASSOCIATE_AC()
    accepted.decode(found.pdu)
    assert [(item.context_id, item.result) for item in accepted.presentation_context] == [
        (1, 0),
        (3, 0),
        (5, 3),
        (7, 3),
        (9, 4),
    ]
    assert accepted.user_information is not None
    assert accepted.user_information.maximum_length == 65536


def test_unknown_sop_classes_are_taken_if_asked_for() -> None:
    request = associate_rq((PRIVATE, [IMPLICIT_LE, JPEG_BASELINE]), (FIND, [EXPLICIT_LE]))
    assert answered(request).contexts == {}
    assert answered(request, unknown=True).contexts == {1: Context(PRIVATE, JPEG_BASELINE)}


def test_storage_classes_of_today_and_of_old_archives() -> None:
    assert len(sop_classes.STORAGE) > 180
    for uid in (CT_IMAGE_STORAGE, "1.2.840.10008.5.1.4.1.1.6", "1.2.840.10008.5.1.4.1.1.104.1"):
        assert sop_classes.is_stored(uid, unknown=False)
    for uid in (VERIFICATION, FIND, "1.2.840.10008.1.3.10", "1.2.840.10008.5.1.4.1.1.200.1"):
        assert not sop_classes.is_stored(uid, unknown=True)


@pytest.mark.parametrize(
    ("request_pdu", "rejection"),
    [
        (associate_rq(application_context=b"1.2.3"), pdus.APPLICATION_CONTEXT),
        (associate_rq(calling=b""), pdus.CALLING_AE_TITLE),
        (associate_rq(calling=b"A\\B"), pdus.CALLING_AE_TITLE),
        (associate_rq(calling="é".encode("latin-1")), pdus.CALLING_AE_TITLE),
    ],
)
def test_what_no_association_begins_with(request_pdu: bytes, rejection: pdus.Rejection) -> None:
    requested = negotiation.read_request(request_pdu[HEAD.size :])
    assert negotiation.answer(requested, unknown=False, max_pdu=65536) == rejection


def test_whatever_comes_is_read_or_refused() -> None:
    """Nothing but ProtocolError, whatever is changed, cut or repeated."""
    dice = random.Random(14)
    sound = associate_rq((CT_IMAGE_STORAGE, [EXPLICIT_LE, JPEG_BASELINE]), (VERIFICATION, [IMPLICIT_LE]))
    read = refused = 0
    for _ in range(400):
        broken = bytearray(sound[HEAD.size :])
        for _ in range(dice.randint(1, 4)):
            broken[dice.randrange(len(broken))] = dice.randrange(256)
        if dice.random() < 0.3:
            del broken[dice.randrange(len(broken)) :]
        try:
            requested = negotiation.read_request(bytes(broken))
            negotiation.answer(requested, unknown=True, max_pdu=65536)
            read += 1
        except ProtocolError:
            refused += 1
    assert read > 20
    assert refused > 20
