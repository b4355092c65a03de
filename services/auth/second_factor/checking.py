"""Looking at codes, without a connection held, and using them up within the transaction that they open."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from libs.common.database.postgres import Connection, Database
from libs.common.errors import NotAuthenticated, ObjectCorrupt
from libs.common.ids import new_uuid
from libs.common.security.passwords import Passwords
from services.auth.second_factor import codes, qr, store
from services.auth.second_factor.models import Authenticator, NewAuthenticator, QrDrawing
from services.auth.second_factor.seeds import Seeds

log = logging.getLogger(__name__)

WRONG_CODE = "wrong-code"


@dataclass(frozen=True)
class RightStep:
    """The code of a time step."""

    authenticator: Authenticator
    step: int


@dataclass(frozen=True)
class RightRecovery:
    """A recovery code that there was a moment ago."""

    selector: str
    code_hash: str


RightCode = RightStep | RightRecovery


@dataclass(frozen=True)
class NewCodes:
    """Recovery codes as they are shown, and as they are kept: how each begins, and the hash of the rest."""

    shown: list[str]
    kept: list[tuple[str, str]]


class Codes:
    """What a code is worth."""

    def __init__(
        self,
        database: Database,
        passwords: Passwords,
        seeds: Seeds,
        issuer: str,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`issuer` is what authenticator apps call this system; `clock` counts seconds from 1970."""
        self._database = database
        self._passwords = passwords
        self._seeds = seeds
        self._issuer = issuer
        self._clock = clock

    async def begin(self, connection: Connection, user_id: int, username: str) -> NewAuthenticator | None:
        """A new authenticator, to be confirmed; None where there is one. Raises Unavailable."""
        seed = codes.new_seed()
        if not await store.begin(connection, new_uuid(), user_id, self._seeds.seal(user_id, seed)):
            return None
        uri = codes.provisioning_uri(seed, username, self._issuer)
        drawn = qr.draw(uri)
        return NewAuthenticator(
            secret=seed,
            otpauth_uri=uri,
            qr_svg=drawn.svg(),
            qr=QrDrawing(size=drawn.size, path=drawn.path),
        )

    async def first(self, user_id: int, text: str) -> RightStep | None:
        """What confirms a new authenticator. Raises Unavailable."""
        async with self._database.connection() as connection:
            found = await store.find(connection, user_id)
        if found is None or found.confirmed or not found.fresh:
            return None
        return self._step(user_id, found, codes.decode(text))

    async def look(self, user_id: int, text: str) -> RightCode | None:
        """The code of a confirmed authenticator, or a recovery code; None: wrong. Raises Unavailable."""
        code = codes.decode(text)
        async with self._database.connection() as connection:
            found = await store.find(connection, user_id)
            kept = (
                await store.find_recovery(connection, user_id, code.selector)
                if isinstance(code, codes.RecoveryCode)
                else None
            )
        if found is None or not found.confirmed:
            return None
        if isinstance(code, codes.RecoveryCode):
            right = await self._passwords.verify(kept, code.secret)
            return RightRecovery(code.selector, kept) if right and kept is not None else None
        return self._step(user_id, found, code)

    async def use(self, connection: Connection, user_id: int, right: RightCode) -> None:
        """Let the code count this once. Raises NotAuthenticated when it was used a moment ago."""
        if isinstance(right, RightRecovery):
            used = await store.use_recovery(connection, user_id, right.selector, right.code_hash)
        else:
            used = await store.use_step(connection, right.authenticator.id, right.step)
        if not used:
            raise wrong_code()

    async def confirm(self, connection: Connection, user_id: int, right: RightStep, new: NewCodes) -> None:
        """Ask for this authenticator from now on. Raises NotAuthenticated if another has taken its place."""
        if not await store.confirm(connection, right.authenticator.id, right.step):
            raise wrong_code()
        await store.replace_recovery(connection, user_id, new.kept)

    async def new_recovery_codes(self) -> NewCodes:
        """Ten of them. Raises Unavailable when too many passwords wait to be hashed."""
        made = codes.new_recovery_codes()
        # One after another: sign-ins of others have their turn in between.
        kept = [(code.selector, await self._passwords.hash(code.secret)) for code in made]
        return NewCodes([code.encode() for code in made], kept)

    async def renew_seeds(self) -> dict[str, int]:
        """Have all seeds closed by the current key; how many each key closes then. Raises Unavailable."""
        current = self._seeds.current
        async with self._database.connection() as connection:
            if current is not None:
                await self._reseal(connection, current)
            return await store.count_by_key(connection)

    async def _reseal(self, connection: Connection, current: str) -> None:
        after = 0
        while found := await store.sealed_otherwise(connection, current, self._seeds.known, after):
            for authenticator_id, user_id, sealed in found:
                after = user_id
                try:
                    seed = self._seeds.seal(user_id, self._seeds.open(user_id, sealed))
                except ObjectCorrupt:
                    # Its owner is refused; nobody else is to be.
                    log.error("the seed of the authenticator of user %s was altered", user_id)
                    continue
                await store.reseal(connection, authenticator_id, sealed.reference, seed)

    def _step(
        self, user_id: int, found: Authenticator, code: codes.TotpCode | codes.RecoveryCode | None
    ) -> RightStep | None:
        if not isinstance(code, codes.TotpCode):
            return None
        step = codes.matching_step(self._seeds.open(user_id, found.seed), code, self._clock())
        return None if step is None else RightStep(found, step)


def wrong_code() -> NotAuthenticated:
    """Wrong, used before, or of another time: the cases are not told apart."""
    return NotAuthenticated("This code is wrong, or it was used already.", code=WRONG_CODE)
