"""The verifier that stands in PostgreSQL for a password, against the example of RFC 7677, section 3."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest

from libs.common.database.roles import scram_verifier
from libs.common.errors import ConfigurationError

NONCE = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
SALT = "W22ZaJ0SNY7soEsUEjb6gQ=="
MESSAGE = f"n=user,r=rOprNGfwEbeRWgbNEkqO,r={NONCE},s={SALT},i=4096,c=biws,r={NONCE}".encode()
PROOF = "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
SIGNATURE = "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="


def test_verifies_the_proof_and_makes_the_signature_of_the_example() -> None:
    method, parameters, keys = scram_verifier("user", "pencil", base64.b64decode(SALT)).split("$")
    stored, server = map(base64.b64decode, keys.split(":"))
    assert (method, parameters) == ("SCRAM-SHA-256", f"4096:{SALT}")
    assert hmac.digest(server, MESSAGE, "sha256") == base64.b64decode(SIGNATURE)
    pairs = zip(base64.b64decode(PROOF), hmac.digest(stored, MESSAGE, "sha256"), strict=True)
    assert hashlib.sha256(bytes(a ^ b for a, b in pairs)).digest() == stored


def test_no_two_verifiers_are_alike() -> None:
    assert scram_verifier("ingest", "same") != scram_verifier("ingest", "same")


@pytest.mark.parametrize("password", ["contraseña", "line\nbreak", "nul\0"])
def test_passwords_that_would_need_preparation_are_refused(password: str) -> None:
    with pytest.raises(ConfigurationError, match="role ingest"):
        scram_verifier("ingest", password)
