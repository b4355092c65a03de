"""The chain of the audit log: each entry's hash covers the one before, each batch's root is signed.

An entry is hashed as the JSON array of its facts in the order of `SealedEntry`, so that a log, an export and
a backup of it can be checked alike. SHA-256 (FIPS 180-4) links, Ed25519 (RFC 8032) signs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from libs.common.encryption.keyring import Keyring

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
GENESIS = bytes(32)
"""What the first entry is linked to."""


class SealedEntry(NamedTuple):
    """One entry of the log. Field order is that of the columns and of what is hashed."""

    at: datetime
    service: str
    action: str
    ending: str
    actor: str
    acting_as: str | None
    object_type: str | None
    objects: Sequence[str]
    collection: str | None
    studies: Sequence[str]
    address: str | None
    route: str | None
    status: int | None
    trace_id: str | None
    details: dict[str, Any]


class Link(NamedTuple):
    """Where an entry stands: `seq` counts from 1 without gaps, `hash` covers it and all before it."""

    seq: int
    hash: bytes


class Root(NamedTuple):
    """The end of one batch, as it is signed."""

    batch: int
    first_seq: int
    last_seq: int
    previous: bytes
    root: bytes
    sealed_at: datetime

    def message(self) -> bytes:
        """What the signature is over."""
        return b"audit-root-v1\0" + orjson.dumps(
            [
                self.batch,
                self.first_seq,
                self.last_seq,
                self.previous.hex(),
                self.root.hex(),
                moment(self.sealed_at),
            ]
        )


class RetiredMonth(NamedTuple):
    """A month that was dropped, as it is signed: the chain goes on after `last_seq`, whose hash is `root`."""

    month: date
    last_batch: int
    last_seq: int
    root: bytes
    retired_at: datetime

    def message(self) -> bytes:
        """What the signature is over; never what one over a root is."""
        return b"audit-retired-v1\0" + orjson.dumps(
            [
                self.month.isoformat(),
                self.last_batch,
                self.last_seq,
                self.root.hex(),
                moment(self.retired_at),
            ]
        )


def moment(when: datetime) -> int:
    """Microseconds since 1970: what PostgreSQL keeps of a time."""
    return (when - _EPOCH) // _MICROSECOND


def linked(previous: bytes, entry: SealedEntry) -> bytes:
    """Hash of `entry` after one whose hash is `previous`."""
    facts = [moment(entry.at), *entry[1:]]
    return hashlib.sha256(previous + orjson.dumps(facts, option=orjson.OPT_SORT_KEYS)).digest()


def chained(previous: Link, entries: Iterable[SealedEntry]) -> list[Link]:
    """Links of `entries`, which follow `previous`."""
    links, last = [], previous
    for entry in entries:
        last = Link(last.seq + 1, linked(last.hash, entry))
        links.append(last)
    return links


class RootSigner:
    """Signs roots with a key that lies outside the database."""

    def __init__(self, seed: bytes) -> None:
        """`seed`: 32 bytes."""
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.public = self._key.public_key().public_bytes_raw()
        self.key_id = key_id(self.public)

    def sign(self, said: Root | RetiredMonth) -> bytes:
        """64 bytes."""
        return self._key.sign(said.message())


def signers_of(keyring: Keyring) -> tuple[RootSigner, dict[str, bytes]]:
    """Who signs with the current key, and the public keys by id of all that may have signed before."""
    derived = keyring.derived("audit-root-v1")
    signers = {reference: RootSigner(seed) for reference, seed in derived.items()}
    return signers[keyring.current], {one.key_id: one.public for one in signers.values()}


def key_id(public: bytes) -> str:
    """How a key is called in the log: the first half of its digest, in hex."""
    return hashlib.sha256(public).hexdigest()[:32]


def is_signed(said: Root | RetiredMonth, signature: bytes, public: bytes) -> bool:
    """Whether the holder of the key that belongs to `public` has signed what is said."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, said.message())
    except (InvalidSignature, ValueError):
        return False
    return True
