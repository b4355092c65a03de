"""Access tokens (JWT, RFC 7519, signed with Ed25519): who calls, verified without asking the issuer."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable
from copy import copy
from datetime import UTC, datetime
from typing import Annotated, Literal

from joserfc.errors import JoseError
from joserfc.jws import JWSRegistry, extract_compact, validate_compact
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from libs.common.errors import TokenExpired, TokenInvalid
from libs.common.permissions import ALL, ORDINARY, Permission, decode
from libs.common.security.http_document import HttpDocument
from libs.common.security.jwks import FetchKeys, KeyCache
from libs.common.security.principal import Principal
from libs.common.security.revocations import Revocations

ISSUER = "dicom-processing-system"
AUDIENCE = ISSUER
ALGORITHM = "EdDSA"

ACCESS_TOKEN = "at+jwt"  # noqa: S105  a media type
FORMER_TYPE = "JWT"
"""What the release before wrote."""
ACCESS_TOKEN_TYPES = frozenset({ACCESS_TOKEN, "application/at+jwt", FORMER_TYPE})
"""RFC 9068 2.1."""

PORTAL = "portal"
"""The `client_id` of people's own sign-ins (RFC 9068 2.2 asks for one in every token)."""

MAX_LIFE_SECONDS = 600
"""Longest life of an access token; those of the release before (`JWT`) might live longer."""
MAX_TOKEN_BYTES = 16384
CACHE_ENTRIES = 4096
CACHE_SECONDS = 60.0


class Claims(BaseModel):
    """The claims of an access token; times are whole seconds since 1970 (RFC 7519 2, NumericDate)."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")

    iss: str
    aud: str
    sub: Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,18}$")]
    username: str
    staff: bool
    groups: list[int]
    permissions: list[str] = []
    """Names, as the release before wrote and reads them; since then they are bits in `perm`."""
    perm: str | None = None
    collections: dict[str, Literal["view", "manage"]] = Field(default_factory=dict)
    collection: str | None = None
    """Where uploads go that name no collection; unset: one's own."""
    sid: str | None = None
    client_id: str | None = None
    scope: str | None = None
    """What an application is limited to (RFC 9068 2.2.3); unset: to nothing but the permissions."""
    ver: int = 0
    """How often the account's access had changed when the token was issued."""
    password_change: Literal[True] | None = None
    """Whether the account's password must be changed before anything else."""
    iat: int = Field(ge=0, le=253_402_300_799)
    nbf: int | None = None
    exp: int = Field(ge=0, le=253_402_300_799)
    jti: str


def token_registry() -> JWSRegistry:
    """What signs and verifies access tokens: knows Ed25519 only; `none`, HMAC and the rest do not exist here.

    On the wire it is named `EdDSA`. RFC 9864 calls that name outdated because it leaves the curve open;
    clients know it, and here the curve is fixed.
    """
    algorithm = copy(JWSRegistry.algorithms["Ed25519"])
    algorithm.name = ALGORITHM
    registry = JWSRegistry(algorithms=[ALGORITHM])
    registry.algorithms = {ALGORITHM: algorithm}
    return registry


class TokenVerifier:
    """Verifies access tokens locally, with keys that the issuer publishes."""

    def __init__(
        self,
        keys: str | FetchKeys,
        *,
        revocations: Revocations | None = None,
        leeway: float = 5.0,
        refetch_interval: float = 5.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`keys` is the URL of the JSON Web Key Set, or what gives the document (the issuer itself).

        `revocations` are asked about every token, also one that was verified before.
        `leeway` is how many seconds the clocks of issuer and verifier may differ; `clock` counts from 1970.
        """
        source = HttpDocument(keys) if isinstance(keys, str) else keys
        self._http = source if isinstance(source, HttpDocument) else None
        self._keys = KeyCache(source, interval=refetch_interval)
        self._revocations = revocations
        self._leeway = leeway
        self._clock = clock
        self._registry = token_registry()
        self._verified: dict[bytes, tuple[Principal, float]] = {}

    async def open(self) -> None:
        """Start fetching the keys; the issuer may also come later."""
        self._keys.prefetch()

    async def close(self) -> None:
        """Stop a running fetch and close the connections."""
        await self._keys.close()
        if self._http is not None:
            await self._http.close()

    async def ready(self) -> None:
        """Raises Unavailable while the issuer's keys are not known."""
        await self._keys.ready()

    async def verify(self, token: str) -> Principal:
        """Who the token speaks for. Raises TokenExpired, TokenInvalid or Unavailable (no key to verify with).

        The full check costs about 0.2 ms of CPU, a twelfth of an upload, so its outcome is remembered
        briefly: under a digest, for at most CACHE_SECONDS and never past the token's end.
        """
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        remembered = self._verified.get(digest)
        if remembered is not None and self._clock() < remembered[1]:
            principal = remembered[0]
        else:
            principal = self._check_claims(*await self._check_signature(token))
            if len(self._verified) >= CACHE_ENTRIES:
                self._verified.clear()
            until = min(self._clock() + CACHE_SECONDS, principal.expires_at.timestamp())
            self._verified[digest] = (principal, until)
        if self._revocations is not None and self._revocations.revoked(principal):
            raise TokenExpired("The session was ended or its access changed; refresh it or sign in again.")
        return principal

    async def revoked(self, principal: Principal) -> None:
        """Return when the caller's token is revoked; never, where no revocations are known."""
        if self._revocations is None:
            await asyncio.Event().wait()
        else:
            await self._revocations.wait(principal)

    async def _check_signature(self, token: str) -> tuple[bytes, str, str]:
        """The signed payload, the type (`typ`) and the key (`kid`). Raises TokenInvalid or Unavailable."""
        if len(token) > MAX_TOKEN_BYTES:
            raise TokenInvalid("The access token is longer than any that is issued here.")
        try:
            signed = extract_compact(token.encode("ascii"), registry=self._registry)
            headers = signed.headers()
            kid = headers.get("kid")
            if headers["alg"] != ALGORITHM or not isinstance(kid, str):
                raise TokenInvalid(f"Access tokens are signed with {ALGORITHM} and name their key (`kid`).")
            kind = headers.get("typ")
            if kind not in ACCESS_TOKEN_TYPES:
                raise TokenInvalid(f"This is another kind of token; access tokens are {ACCESS_TOKEN}.")
            valid = validate_compact(signed, await self._keys.key(kid), registry=self._registry)
        # A hostile header can be any JSON value, which joserfc meets with Python's own errors.
        except (JoseError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise TokenInvalid("This is not an access token: it must be a signed JWT.") from error
        if not valid or signed.payload is None:
            raise TokenInvalid("The access token's signature is wrong.")
        return signed.payload, str(kind), kid

    def _check_claims(self, payload: bytes, kind: str, kid: str) -> Principal:
        """Issuer, audience, times and life. Raises TokenExpired or TokenInvalid."""
        try:
            claims = Claims.model_validate_json(payload)
        except ValidationError as error:
            fields = ", ".join(sorted({str(e["loc"][0]) if e["loc"] else "payload" for e in error.errors()}))
            raise TokenInvalid(f"The access token lacks or misstates: {fields}.") from error
        if claims.iss != ISSUER or claims.aud != AUDIENCE:
            raise TokenInvalid("The access token was issued by or for another system (iss, aud).")
        now = self._clock()
        if claims.nbf is not None and claims.nbf > now + self._leeway:
            raise TokenInvalid("The access token is not valid yet (nbf); compare the clocks.")
        if kind != FORMER_TYPE and claims.exp - claims.iat > MAX_LIFE_SECONDS:
            raise TokenInvalid(f"Access tokens live for {MAX_LIFE_SECONDS} seconds at most (iat, exp).")
        if claims.exp <= now - self._leeway:
            raise TokenExpired("The access token has expired; refresh it or sign in again.")
        return Principal(
            user_id=int(claims.sub),
            username=claims.username,
            staff=claims.staff,
            groups=tuple(claims.groups),
            permissions=_permissions(claims),
            collections=claims.collections,
            default_collection=claims.collection,
            session_id=claims.sid,
            client_id=None if claims.client_id == PORTAL else claims.client_id,
            scope=None if claims.scope is None else frozenset(claims.scope.split()),
            access_version=claims.ver,
            must_change_password=claims.password_change is not None,
            signing_key=kid,
            issued_at=datetime.fromtimestamp(claims.iat, UTC),
            expires_at=datetime.fromtimestamp(claims.exp, UTC),
        )


def _permissions(claims: Claims) -> frozenset[Permission]:
    """Raises TokenInvalid for what is no bit field."""
    if claims.perm is None:
        # Of the release before: everybody might do the ordinary things, staff everything.
        return ALL if claims.staff else ORDINARY
    try:
        return decode(claims.perm)
    except ValueError as error:
        raise TokenInvalid("The access token lacks or misstates: perm.") from error
