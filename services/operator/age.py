"""Backups' own key: age (age-encryption.org/v1). The public half encrypts, the other need not be here.

Streams in constant memory; every 64 KiB are authenticated, and so is the end.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import pyrage

from libs.common.errors import ConfigurationError

CHUNK_BYTES = 1 << 20
STANDARD_INPUT = Path("-")
_OTHERS = 0o007


def parse_recipients(text: str) -> list[str]:
    """The public keys in BACKUP_RECIPIENTS, each once. Raises ConfigurationError."""
    found = list(dict.fromkeys(word for word in re.split(r"[\s,]+", text) if word))
    for number, word in enumerate(found, 1):
        try:
            pyrage.x25519.Recipient.from_str(word)
        except pyrage.RecipientError as error:
            raise ConfigurationError(
                f"Correct BACKUP_RECIPIENTS: its key {number} is no public key of age (age1…)."
            ) from error
    return found


def create_identity(path: Path) -> str:
    """Make a pair of keys, the secret one in a file of mode 0600; answers the public one. Raises OSError."""
    identity = pyrage.x25519.Identity.generate()
    public = str(identity.to_public())
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(f"# Opens backups. Public key: {public}\n{identity}\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        # Whole or not at all, and never in the place of another.
        os.link(draft, path)
    finally:
        draft.unlink()
    return public


def new_identity(path: Path) -> str:
    """As `create_identity`, for who types it. Raises ConfigurationError."""
    if path.exists():
        raise ConfigurationError(f"There is {path} already: it is never overwritten.")
    try:
        return create_identity(path)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written ({error.strerror}).") from error


class AgeIdentities:
    """The secret keys of one file, as `age-keygen` writes it; never told."""

    def __init__(self, path: Path) -> None:
        """STANDARD_INPUT reads from there. Raises ConfigurationError."""
        try:
            if path == STANDARD_INPUT:
                text = sys.stdin.read()
            else:
                with path.open() as file:
                    if os.fstat(file.fileno()).st_mode & _OTHERS:
                        raise ConfigurationError(
                            f"The identity {path} is open to every user of this machine: run "
                            f"chmod o-rwx {path}"
                        )
                    text = file.read()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(
                f"The identity {path} cannot be read ({getattr(error, 'strerror', 'no text')}): name the "
                "file that opens the backup."
            ) from error
        lines = [line.strip() for line in text.splitlines()]
        try:
            self._keys = [
                pyrage.x25519.Identity.from_str(line) for line in lines if line and not line.startswith("#")
            ]
        except pyrage.IdentityError:
            # Without the cause: it may quote key material.
            self._keys = []
        if not self._keys:
            raise ConfigurationError(f"{path} holds no identity of age (AGE-SECRET-KEY-1…).") from None

    @property
    def public(self) -> list[str]:
        """Their public keys."""
        return [str(key.to_public()) for key in self._keys]

    def decrypt(self, source: BinaryIO, target: BinaryIO) -> None:
        """Raises ConfigurationError with a wrong key or damaged bytes, OSError when `target` does."""
        try:
            pyrage.decrypt_io(source, target, self._keys)
        except BrokenPipeError:
            raise
        except (pyrage.DecryptError, OSError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise
            raise ConfigurationError(f"it cannot be decrypted: {error}") from error


class AgeWriter:
    """What was written to an age file."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write
        self.sha256 = ""

    async def write(self, chunk: bytes) -> None:
        """Raises BrokenPipeError when the file cannot be written; the block's end tells why."""
        await asyncio.to_thread(self._write, chunk)


@asynccontextmanager
async def sealed(path: Path, recipients: Sequence[str]) -> AsyncIterator[AgeWriter]:
    """Encrypt what is written in the block to a new file, whose `sha256` is told after it. Raises OSError."""
    keys = [pyrage.x25519.Recipient.from_str(recipient) for recipient in recipients]
    read_end, write_end = os.pipe()

    def encrypt() -> str:
        with os.fdopen(read_end, "rb") as source, path.open("xb") as target:
            digesting = _Digesting(target)
            pyrage.encrypt_io(source, digesting, keys)
            target.flush()
            os.fsync(target.fileno())
        return digesting.sha256

    encrypting = asyncio.create_task(asyncio.to_thread(encrypt))
    with os.fdopen(write_end, "wb", buffering=0) as pipe:
        result = AgeWriter(_all_of(pipe))
        try:
            with suppress(BrokenPipeError):
                yield result
        finally:
            pipe.close()
            # Also when the block failed: the file is closed before somebody removes it.
            await asyncio.wait([encrypting])
    result.sha256 = encrypting.result()


async def opened(path: Path, identities: AgeIdentities) -> AsyncGenerator[bytes, None]:
    """What an age file holds, in chunks; whole and unchanged only once the last one was taken.

    Raises ConfigurationError, OSError.
    """
    read_end, write_end = os.pipe()

    def decrypt() -> None:
        with path.open("rb") as source, os.fdopen(write_end, "wb", buffering=CHUNK_BYTES) as target:
            identities.decrypt(source, target)

    decrypting = asyncio.create_task(asyncio.to_thread(decrypt))
    with os.fdopen(read_end, "rb", buffering=0) as source:
        try:
            while chunk := await asyncio.to_thread(source.read, CHUNK_BYTES):
                yield chunk
        finally:
            # Whoever has had enough hangs up.
            source.close()
            await asyncio.wait([decrypting])
            left = decrypting.exception()
    if left is not None:
        raise ConfigurationError(f"{path} is not whole: {getattr(left, 'detail', left)}") from left


class _Digesting:
    """A file that is written, and the digest of it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._digest = file, hashlib.sha256()

    def write(self, data: bytes) -> int:
        self._digest.update(data)
        return self._file.write(data)

    def flush(self) -> None:
        self._file.flush()

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()


def _all_of(pipe: BinaryIO) -> Callable[[bytes], None]:
    """A pipe takes what it has room for."""

    def write(chunk: bytes) -> None:
        rest = memoryview(chunk)
        while rest:
            rest = rest[pipe.write(rest) :]

    return write
