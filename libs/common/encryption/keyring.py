"""The keyring: key-encryption keys by reference, one of them current; wraps the data keys of objects.

Former keys stay in it until every object that names them is rewrapped; `keyring_content.py` says how it lies
in its file.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import stat
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from libs.common.encryption.keyring_content import KEY_BYTES, KeyringContent, decode, first_content
from libs.common.errors import ConfigurationError, ObjectCorrupt, Unavailable

NONCE_BYTES = 12
TAG_BYTES = 16
WRAPPED_BYTES = NONCE_BYTES + KEY_BYTES + TAG_BYTES
REFERENCE_BYTES = 64

_REFERENCE = re.compile(rf"[A-Za-z0-9._-]{{1,{REFERENCE_BYTES}}}")
_OTHERS = 0o007


class Keyring:
    """Wraps data keys with AES-256-GCM under random nonces: rotate long before 2^32 wraps by one key."""

    def __init__(self, current: str, keys: Mapping[str, bytes]) -> None:
        """Raises ConfigurationError unless every key has 32 bytes and `current` names one of them."""
        for reference, key in keys.items():
            if not _REFERENCE.fullmatch(reference):
                raise ConfigurationError(
                    f"Rename keyring key {reference[:80]!r}: use 1 to {REFERENCE_BYTES} of A-Z a-z 0-9 . _ -"
                )
            if len(key) != KEY_BYTES:
                raise ConfigurationError(
                    f"Keyring key {reference} has {len(key)} bytes: give {KEY_BYTES} random bytes as base64."
                )
        if current not in keys:
            raise ConfigurationError(
                f'The keyring\'s current key {current[:80]!r} is not under "keys": add it.'
            )
        self._current = current
        self.content = KeyringContent(current, dict(keys))
        self._keys = {reference: AESGCM(key) for reference, key in keys.items()}

    @property
    def current(self) -> str:
        """The key that wraps now."""
        return self._current

    def now(self) -> Keyring:
        """The ring as it is at this moment: what is asked of the answer fits together."""
        return self

    @classmethod
    def of(cls, content: KeyringContent) -> Self:
        """The ring that a file holds. Raises ConfigurationError."""
        ring = cls(content.current, content.keys)
        ring.content = content
        return ring

    def __repr__(self) -> str:
        return f"Keyring(current={self.current!r}, keys={sorted(self._keys)})"

    @classmethod
    def load(cls, path: Path) -> Keyring:
        """Read a keyring file. Raises ConfigurationError when missing, unreadable, exposed or malformed."""
        try:
            with path.open("rb") as file:
                exposed = os.fstat(file.fileno()).st_mode & _OTHERS
                content = file.read()
        except FileNotFoundError as error:
            raise ConfigurationError(
                f"There is no keyring at {path}: set KEYRING_FILE to the file that this system's objects were"
                " encrypted with."
            ) from error
        except OSError as error:
            raise ConfigurationError(
                f"The keyring {path} cannot be read ({error.strerror}): let this process's user read it."
            ) from error
        if exposed:
            raise ConfigurationError(
                f"The keyring {path} is open to every user of this machine: run chmod o-rwx {path}"
            )
        try:
            found = decode(content)
        except (ValueError, KeyError, TypeError, AttributeError):
            # Without the cause: it would quote key material.
            raise ConfigurationError(
                f'The keyring {path} is not {{"current": ref, "keys": {{ref: base64}}}}: mend it or restore a'
                " copy."
            ) from None
        return Keyring.of(found)

    @classmethod
    def create(cls, path: Path) -> Keyring:
        """Make a keyring of one random key, mode 0600, durable. Raises ConfigurationError if `path` exists.

        The whole file appears at once: a crash on the way leaves none, so that the next start makes it.
        """
        content = first_content(datetime.now(UTC))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            published = _publish(path, content.encode())
        except OSError as error:
            raise ConfigurationError(
                f"The keyring {path} cannot be written ({error.strerror}): make its folder writable."
            ) from error
        if not published:
            raise ConfigurationError(f"There is a keyring at {path} already: it is never overwritten.")
        return Keyring.of(content)

    def derived(self, purpose: str) -> dict[str, bytes]:
        """32 bytes for each key by reference, which tell nothing of it or of other purposes (RFC 5869)."""
        return {
            reference: HKDF(SHA256(), KEY_BYTES, salt=None, info=purpose.encode()).derive(key)
            for reference, key in self.content.keys.items()
        }

    def wrap(self, data_key: bytes, context: bytes) -> bytes:
        """Encrypt a 32-byte data key under the current key, bound to `context`: nonce, ciphertext, tag."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._keys[self.current].encrypt(nonce, data_key, context)

    def unwrap(self, reference: str, wrapped: bytes, context: bytes) -> bytes:
        """Decrypt a data key. Raises Unavailable if the ring lacks the key, ObjectCorrupt if altered."""
        if reference not in self._keys:
            raise Unavailable(f"Key {reference[:80]!r} is not in the keyring: put it back into KEYRING_FILE.")
        if len(wrapped) != WRAPPED_BYTES:
            raise ObjectCorrupt("The wrapped data key has a wrong length.")
        try:
            return self._keys[reference].decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], context)
        except InvalidTag as error:
            raise ObjectCorrupt("The wrapped data key does not authenticate.") from error


def keep_copy(content: bytes, path: Path, *, like: os.stat_result | None = None) -> None:
    """Write a keyring's content to `path` in the place of what is there. Raises OSError.

    It appears whole and durable: half a copy, found when it is needed, would be none. Mode and owner are
    those of `like`; without it 0600 and this process's.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _draft(path, content) as draft:
        if like is not None:
            if (like.st_uid, like.st_gid) != (os.geteuid(), os.getegid()):
                os.chown(draft, like.st_uid, like.st_gid)
            draft.chmod(stat.S_IMODE(like.st_mode))
        draft.replace(path)
    _sync(path.parent)


def _publish(path: Path, content: bytes) -> bool:
    """Make a 0600 file appear under `path`, whole and durable; False if the name is taken."""
    with _draft(path, content) as draft:
        try:
            os.link(draft, path)  # refuses a name that is taken, as O_EXCL does
        except FileExistsError:
            return False
    _sync(path.parent)
    return True


@contextlib.contextmanager
def _draft(path: Path, content: bytes) -> Iterator[Path]:
    """A durable 0600 file beside `path`, gone after the block unless it was renamed there."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        yield temporary
    finally:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
