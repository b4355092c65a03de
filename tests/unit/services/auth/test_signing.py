"""Signed tokens: what services and other people's libraries read in them."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from libs.common.access import group_collection
from libs.common.ids import UserId
from libs.common.permissions import ALL, encode
from libs.common.security.tokens import TokenVerifier
from services.auth.identity.models import MAX_USERNAME_LENGTH, MOST_GROUPS, Identity
from services.auth.sessions.signing import TokenSigner, generate_seed, key_set_of

ANA = Identity(
    UserId(7),
    "ana",
    True,
    False,
    (1, 2),
    frozenset({"view_dicomfile", "view_dicomresult"}),
    "Ana",
    "Núñez",
    "ana@example.org",
    {"group:2": "view"},
)


def decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def test_a_token_has_the_agreed_header_and_claims() -> None:
    now = datetime.now(UTC)
    signer = TokenSigner(generate_seed())
    header, payload, _ = signer.sign(ANA, now, timedelta(seconds=600)).split(".")
    assert json.loads(decoded(header)) == {"typ": "at+jwt", "alg": "EdDSA", "kid": signer.kid}
    claims = json.loads(decoded(payload))
    assert len(claims.pop("jti")) >= 16
    assert claims == {
        "iss": "dicom-processing-system",
        "aud": "dicom-processing-system",
        "sub": "7",
        "client_id": "portal",
        "username": "ana",
        "staff": True,
        "groups": [1, 2],
        "permissions": [],
        "ver": 0,
        "perm": encode(ANA.permissions),
        "collections": {"group:2": "view"},
        "iat": int(now.timestamp()),
        "exp": int(now.timestamp()) + 600,
    }


def test_a_token_with_everything_fits_a_cookie() -> None:
    """Every permission and as many groups as there may be, of ids and a name that are long."""
    groups = tuple(range(100_000, 100_000 + MOST_GROUPS))
    everything = replace(
        ANA,
        id=UserId(2**31 - 1),
        username="ñ" * MAX_USERNAME_LENGTH,
        permissions=ALL,
        groups=groups,
        collections={group_collection(group): "manage" for group in groups},
        default_collection=group_collection(groups[0]),
    )
    signer, now, life = TokenSigner(generate_seed()), datetime.now(UTC), timedelta(seconds=600)
    assert len(signer.sign(everything, now, life, session_id=uuid4())) < 3.5 * 1024
    few = replace(everything, username="ana", groups=groups[:20])
    few = replace(few, collections={group_collection(group): "manage" for group in few.groups})
    assert len(signer.sign(few, now, life, session_id=uuid4())) < 1.5 * 1024


async def test_the_claims_are_those_of_rfc_9068() -> None:
    """RFC 9068 2.2; a machine's token has its own `client_id` and no session."""
    signer, now, life = TokenSigner(generate_seed()), datetime.now(UTC), timedelta(seconds=600)
    person = signer.sign(ANA, now, life, session_id=uuid4())
    machine = signer.sign(ANA, now, life, client_id="key:00")
    for token, client, session in ((person, "portal", True), (machine, "key:00", False)):
        claims = json.loads(decoded(token.split(".")[1]))
        assert claims.keys() >= {"iss", "exp", "aud", "sub", "client_id", "iat", "jti"}
        assert (claims["client_id"], "sid" in claims) == (client, session)

    async def keys() -> bytes:
        return key_set_of([signer]).model_dump_json().encode()

    verifier = TokenVerifier(keys)
    assert (await verifier.verify(person)).client_id is None
    assert (await verifier.verify(machine)).client_id == "key:00"


def test_the_published_key_verifies_and_tells_no_secret() -> None:
    seed = generate_seed()
    signer = TokenSigner(seed)
    (key,) = json.loads(key_set_of([signer]).model_dump_json())["keys"]
    assert set(key) == {"kty", "crv", "x", "kid", "use", "alg"}
    text, _, signature = signer.sign(ANA, datetime.now(UTC), timedelta(seconds=1)).rpartition(".")
    Ed25519PublicKey.from_public_bytes(decoded(key["x"])).verify(decoded(signature), text.encode())


def test_one_seed_is_one_key() -> None:
    seed = generate_seed()
    assert TokenSigner(seed).kid == TokenSigner(seed).kid
    assert TokenSigner(generate_seed()).kid != TokenSigner(seed).kid


async def test_the_verifier_understands_it() -> None:
    signer = TokenSigner(generate_seed())

    async def keys() -> bytes:
        return key_set_of([signer]).model_dump_json().encode()

    token = signer.sign(ANA, datetime.now(UTC), timedelta(seconds=600))
    found = await TokenVerifier(keys).verify(token)
    assert (found.user_id, found.username, found.staff) == (7, "ana", True)
    assert (found.groups, found.permissions) == (ANA.groups, ANA.permissions)
    assert found.collections == {"group:2": "view"}
    assert token != signer.sign(ANA, datetime.now(UTC), timedelta(seconds=600))
