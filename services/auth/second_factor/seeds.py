"""Seeds of authenticators at rest: encrypted under keys derived from auth's own, bound to their account."""

from __future__ import annotations

from typing import NamedTuple

from libs.common.encryption.keyring import Keyring
from libs.common.errors import Unavailable

PURPOSE = "totp-seed-v1"


class SealedSeed(NamedTuple):
    """A seed as the database has it, and the key that it takes."""

    reference: str
    sealed: bytes


class Seeds:
    """Encrypts and decrypts; a key that the ring still has opens what it once closed."""

    def __init__(self, keyring: Keyring | None) -> None:
        """`keyring` is auth's own; without it nobody sets up an authenticator or signs in with one."""
        self._known = frozenset[str]() if keyring is None else frozenset(keys := keyring.derived(PURPOSE))
        self._ring = None if keyring is None else Keyring(keyring.current, keys)

    @property
    def current(self) -> str | None:
        """The key that closes seeds now."""
        return None if self._ring is None else self._ring.current

    @property
    def known(self) -> frozenset[str]:
        """The keys that open seeds."""
        return self._known

    def seal(self, user_id: int, seed: str) -> SealedSeed:
        """Encrypt a seed. Raises Unavailable without a keyring."""
        ring = self._require()
        return SealedSeed(ring.current, ring.wrap(seed.encode(), _context(user_id)))

    def open(self, user_id: int, found: SealedSeed) -> str:
        """Raises Unavailable when the ring lacks the key, ObjectCorrupt for what was altered or moved."""
        ring = self._require()
        if found.reference not in self._known:
            raise Unavailable(f"Key {found.reference[:80]!r} is not in the keyring of AUTH_KEYRING_FILE.")
        return ring.unwrap(found.reference, found.sealed, _context(user_id)).decode()

    def _require(self) -> Keyring:
        if self._ring is None:
            raise Unavailable("Second factors take auth's own keys: set AUTH_KEYRING_FILE.")
        return self._ring


def _context(user_id: int) -> bytes:
    """A seed of one account, put into another's row, opens nothing."""
    return f"totp:{user_id}".encode()
