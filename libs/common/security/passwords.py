"""Passwords: argon2id hashes (RFC 9106), made and checked by a few threads that a flood cannot overrun."""

from __future__ import annotations

import asyncio
import base64
import secrets
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar, TypeVarTuple, Unpack

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError

from libs.common.security.places import Places

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

MAX_PASSWORD_LENGTH = 1024
HASH_MARK = "$argon2id$"


def generate_password() -> str:
    """A password of 120 random bits, in letters that a terminal shows and a person can type."""
    return "-".join(secrets.token_hex(5) for _ in range(3))


class Passwords:
    """Hashes and checks passwords off the event loop."""

    def __init__(
        self, *, time_cost: int, memory_kib: int, parallelism: int, workers: int, queue: int
    ) -> None:
        """`workers` hashes at once, of `memory_kib` each; at most `queue` calls work or wait."""
        self._hasher = PasswordHasher(time_cost=time_cost, memory_cost=memory_kib, parallelism=parallelism)
        self._executor = ThreadPoolExecutor(workers, thread_name_prefix="argon2")
        self._places = Places(workers, queue)
        # Well-formed, of full cost, and the hash of no password.
        self._dummy = (
            f"$argon2id$v=19$m={memory_kib},t={time_cost},p={parallelism}${_random(16)}${_random(32)}"
        )

    def close(self) -> None:
        """Let running hashes end; drop the waiting ones."""
        self._executor.shutdown(wait=True, cancel_futures=True)

    async def hash(self, password: str) -> str:
        """The hash in PHC string format. Raises Unavailable when too many wait."""
        return await self._run(self._hasher.hash, _normal(password))

    async def verify(self, encoded: str | None, password: str, *, stranger: bool = False) -> bool:
        """Whether `password` made `encoded`. Raises Unavailable when too many wait.

        None (no such account) is checked against a password nobody knows, so that it takes as long, and so
        is what is no hash, as Django's "!" for accounts without a password. `stranger`: asks from where the
        account has not signed in.
        """
        usable = encoded is not None and encoded.startswith(HASH_MARK)
        checked = encoded if encoded is not None and usable else self._dummy
        matches = await self._run(self._matches, checked, _normal(password), stranger=stranger)
        return matches and usable

    def outdated(self, encoded: str) -> bool:
        """Whether `encoded` was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(encoded)

    def _matches(self, encoded: str, password: str) -> bool:
        try:
            return self._hasher.verify(encoded, password)
        except (VerificationError, ValueError):
            # ValueError: no ASCII, as no hash is.
            return False

    async def _run(self, work: Callable[[Unpack[Ts]], T], *args: *Ts, stranger: bool = False) -> T:
        async with self._places.take(stranger=stranger):
            return await asyncio.get_running_loop().run_in_executor(self._executor, work, *args)


def _random(size: int) -> str:
    return base64.b64encode(secrets.token_bytes(size)).decode().rstrip("=")


def _normal(password: str) -> str:
    """One form for what keyboards compose differently (NIST SP 800-63B 5.1.1.2 asks for NFKC)."""
    return unicodedata.normalize("NFKC", password)
