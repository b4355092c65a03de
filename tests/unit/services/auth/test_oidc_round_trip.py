"""What a browser takes along cannot be read, altered, kept for long, or made by anybody else."""

from __future__ import annotations

import base64
from urllib.parse import urlencode
from uuid import UUID

import pytest

from services.auth.oidc.next_page import MOST_CHARACTERS, local_page
from services.auth.oidc.round_trip import SECONDS, Linking, RoundTripSeal, begin

SEAL = RoundTripSeal(b"k" * 32)
NOW = 1_800_000_000.0


def test_what_was_sealed_is_opened() -> None:
    linking = Linking(user_id=7, session_id=UUID(int=1))
    for trip in (begin("one", "https://i", "/x", NOW), begin("one", "https://i", "/x", NOW, linking)):
        assert SEAL.open(SEAL.seal(trip), NOW + SECONDS - 1) == trip


def test_the_longest_page_that_is_taken_along_fits_into_a_cookie() -> None:
    asked = f"/authorize?{urlencode({'client_id': 'x', 'state': 's' * 1500})}"
    longest = asked + "x" * (MOST_CHARACTERS - len(asked))
    assert local_page(longest) == longest
    issuer, linking = "https://" + "i" * 250, Linking(user_id=2**31 - 1, session_id=UUID(int=1))
    trip = begin("p" * 30, issuer, longest, NOW, linking)
    sealed = SEAL.seal(trip)
    # Browsers drop one whose name and value are longer (RFC 6265 6.1).
    assert len(sealed) + len("__Host-dicom_round_trip_of_one") <= 4096
    assert SEAL.open(sealed, NOW) == trip


def test_no_two_are_alike() -> None:
    first, second = begin("one", "https://i", "/", NOW), begin("one", "https://i", "/", NOW)
    assert not {first.state, first.nonce, first.verifier} & {second.state, second.nonce, second.verifier}
    assert len({first.state, first.nonce, first.verifier}) == 3
    assert SEAL.seal(first) != SEAL.seal(first)


def test_nothing_shows_through() -> None:
    trip = begin("one", "https://i", "/x", NOW)
    sealed = base64.urlsafe_b64decode(SEAL.seal(trip))
    assert not any(text.encode() in sealed for text in (trip.state, trip.nonce, trip.verifier, "one", "/x"))


def test_old_ones_and_those_of_the_future_are_none() -> None:
    sealed = SEAL.seal(begin("one", "https://i", "/", NOW))
    assert SEAL.open(sealed, NOW + SECONDS) is None
    assert SEAL.open(sealed, NOW - 60) is None


@pytest.mark.parametrize("value", [None, "", "x", "é", "A" * 5000, "AAAA" * 20])
def test_what_is_none_is_none(value: str | None) -> None:
    assert SEAL.open(value, NOW) is None


def test_every_byte_counts() -> None:
    sealed = base64.urlsafe_b64decode(SEAL.seal(begin("one", "https://i", "/", NOW)))
    for place in range(len(sealed)):
        altered = bytearray(sealed)
        altered[place] ^= 1
        assert SEAL.open(base64.urlsafe_b64encode(altered).decode(), NOW) is None


def test_another_key_opens_nothing() -> None:
    assert RoundTripSeal(b"l" * 32).open(SEAL.seal(begin("one", "https://i", "/", NOW)), NOW) is None


def test_the_challenge_is_that_of_rfc_7636() -> None:
    trip = begin("one", "https://i", "/", NOW).model_copy(
        update={"verifier": "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"}
    )
    assert trip.challenge == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
