"""Codes of a second factor: RFC 6238's own values, drift, and what people type."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.encryption.keyring import Keyring
from libs.common.errors import ObjectCorrupt, Unavailable
from services.auth.second_factor.codes import (
    ALPHABET,
    DRIFT,
    STEP_SECONDS,
    RecoveryCode,
    TotpCode,
    decode,
    matching_step,
    new_recovery_codes,
    new_seed,
    provisioning_uri,
)
from services.auth.second_factor.qr import draw
from services.auth.second_factor.seeds import SealedSeed, Seeds

RFC_SEED = base64.b32encode(b"12345678901234567890").decode()


@pytest.mark.parametrize(
    ("now", "digits"),
    # RFC 6238 appendix B, SHA-1, the last six of its eight digits.
    [(59, "287082"), (1111111109, "081804"), (1111111111, "050471"), (1234567890, "005924")],
)
def test_the_codes_are_those_of_the_standard(now: int, digits: str) -> None:
    assert matching_step(RFC_SEED, TotpCode(digits), now) == now // STEP_SECONDS


@pytest.mark.parametrize("late", range(-3, 4))
def test_a_clock_may_be_one_step_off(late: int) -> None:
    shown = 1234567890
    step = shown // STEP_SECONDS
    found = matching_step(RFC_SEED, TotpCode("005924"), shown + late * STEP_SECONDS)
    assert found == (step if abs(late) <= DRIFT else None)


def test_seeds_have_160_bits() -> None:
    assert len(base64.b32decode(new_seed())) == 20
    assert new_seed() != new_seed()


@given(st.sampled_from(["", " ", "-", "  "]))
def test_codes_are_read_as_people_type_them(between: str) -> None:
    assert decode(f" 123{between}456 ") == TotpCode("123456")
    code = RecoveryCode("0123", "456789abcdef")
    assert decode(f"o{between}L23 4567-89AB cdef") == RecoveryCode("0123", "456789abcdef")
    assert decode(code.encode()) == code


@pytest.mark.parametrize(
    "text", ["", "12345", "1234567", "１２３４５６", "123456\n", "x" * 64, "u" * 16, "é"]
)
def test_other_text_is_no_code(text: str) -> None:
    assert decode(text) is None


def test_recovery_codes_are_ten_that_begin_differently() -> None:
    codes = new_recovery_codes()
    assert len({code.selector for code in codes}) == 10
    assert len({code.secret for code in codes}) == 10
    assert all(set(code.selector + code.secret) <= set(ALPHABET) for code in codes)
    assert [decode(code.encode()) for code in codes] == codes


def test_the_app_is_told_who_and_where() -> None:
    uri = provisioning_uri(RFC_SEED, "ana@example.org", "DICOM pacs.example.org")
    assert uri.startswith("otpauth://totp/DICOM%20pacs.example.org:ana%40example.org?")
    assert f"secret={RFC_SEED}" in uri
    assert "issuer=DICOM%20pacs.example.org" in uri


def test_a_drawing_holds_nothing_but_the_code() -> None:
    drawn = draw("otpauth://totp/x?secret=AAAA")
    assert set(drawn.path) <= set("Mhvz- 0123456789")
    assert drawn.size % 4 == 1
    svg = drawn.svg()
    assert svg.count("<path") == 2
    assert drawn.path in svg
    assert "style" not in svg


def test_a_seed_is_closed_for_one_account_and_key() -> None:
    ring = Keyring("new", {"new": b"n" * 32, "old": b"o" * 32})
    seeds, former = Seeds(ring), Seeds(Keyring("old", {"old": b"o" * 32}))
    kept = former.seal(7, RFC_SEED)
    assert (kept.reference, seeds.current) == ("old", "new")
    assert seeds.open(7, kept) == RFC_SEED
    assert seeds.seal(7, RFC_SEED) != seeds.seal(7, RFC_SEED)
    for user_id, found in (
        (8, kept),
        (7, SealedSeed("new", kept.sealed)),
        (7, kept._replace(sealed=kept.sealed[:-1] + b"x")),
    ):
        with pytest.raises(ObjectCorrupt):
            seeds.open(user_id, found)
    with pytest.raises(Unavailable):
        former.open(7, seeds.seal(7, RFC_SEED))
    # The key itself opens none: purposes do not mix.
    with pytest.raises(ObjectCorrupt):
        ring.unwrap("old", kept.sealed, b"totp:7")
    with pytest.raises(Unavailable):
        Seeds(None).seal(7, RFC_SEED)
