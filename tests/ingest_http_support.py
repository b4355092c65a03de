"""A running ingest service for tests: real database, object store and tokens."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from joserfc import jwt
from pydantic import SecretStr

from libs.common.bus.inprocess import InProcessBus
from libs.common.bus.topology import INGEST_OUTCOMES
from libs.common.encryption.keyring import Keyring
from libs.common.http.application import create_app
from libs.common.keys import BUS, VERIFIER
from libs.common.permissions import ORDINARY, Permission, encode
from libs.common.security.tokens import ALGORITHM, AUDIENCE, ISSUER, Claims, TokenVerifier
from libs.common.telemetry.tracing import Telemetry
from services.auth.sessions.signing import TokenSigner, generate_seed, key_set_of
from services.ingest.app import install
from services.ingest.settings import IngestSettings
from tests.bus_support import FAST
from tests.waiting import eventually

SIGNER = TokenSigner(generate_seed())


def token(
    user: int, *, staff: bool = False, more: Iterable[Permission] = (), **collections: str
) -> dict[str, str]:
    """Headers of a caller; `group_3="view"` lets them look into that group's collection.

    `more` are permissions beyond the ordinary ones.
    """
    claims = Claims(
        iss=ISSUER,
        aud=AUDIENCE,
        sub=str(user),
        username=f"user{user}",
        staff=staff,
        groups=[],
        permissions=[],
        perm=encode({*ORDINARY, *more}) if more else None,
        collections={name.replace("_", ":"): mode for name, mode in collections.items()},  # type: ignore[misc]
        iat=int(datetime.now(UTC).timestamp()),
        exp=int(datetime.now(UTC).timestamp()) + 7200,
        jti="x",
    )
    signed = jwt.encode(
        {"alg": ALGORITHM, "kid": SIGNER.kid},
        claims.model_dump(exclude_none=True),
        SIGNER._key,
        registry=SIGNER._registry,
    )
    return {"Authorization": f"Bearer {signed}"}


@dataclass
class Ingest:
    """The service, and how one talks to it."""

    client: TestClient[web.Request, web.Application]

    async def send(
        self,
        headers: dict[str, str],
        content: bytes,
        collection: str | None = None,
        file_name: str | None = None,
    ) -> tuple[int, Any]:
        """Upload one file; status and body."""
        told = {"collection": collection, "file_name": file_name}
        params = {name: value for name, value in told.items() if value is not None}
        headers = {**headers, "Content-Type": "application/dicom"}
        async with self.client.post("/api/files", data=content, params=params, headers=headers) as answer:
            return answer.status, await answer.json(content_type=None)

    async def get(self, path: str, headers: dict[str, str], **params: str) -> tuple[int, Any]:
        """Status and body."""
        async with self.client.get(f"/api/files{path}", params=params, headers=headers) as answer:
            return answer.status, await answer.json(content_type=None)

    async def move(self, headers: dict[str, str], file_id: str, body: Any) -> tuple[int, Any]:
        """Move a file; status and body."""
        async with self.client.patch(f"/api/files/{file_id}", json=body, headers=headers) as answer:
            return answer.status, await answer.json(content_type=None)

    async def listed(self, headers: dict[str, str], **params: str) -> list[str]:
        """Ids of all pages of a list."""
        found: list[str] = []
        while True:
            status, body = await self.get("", headers, **params)
            assert status == 200, body
            found += [file["id"] for file in body["files"]]
            if body["next_cursor"] is None:
                return found
            params["cursor"] = body["next_cursor"]


@asynccontextmanager
async def running_ingest(url: str, folder: Path, **changed: Any) -> AsyncIterator[Ingest]:
    """Run the service on the database at `url` with its objects in `folder`; `changed` are settings."""
    Keyring.create(folder / "keyring.json")
    settings = IngestSettings(
        database_url=SecretStr(url), data_dir=folder, keyring_file=folder / "keyring.json", **changed
    )
    telemetry = Telemetry("ingest", settings)
    app = create_app(settings, telemetry)

    async def keys() -> bytes:
        return key_set_of([SIGNER]).model_dump_json().encode()

    app[VERIFIER] = TokenVerifier(keys)
    # Nobody listens to what is announced here.
    app[BUS] = InProcessBus(
        telemetry, topology=replace(FAST, subscriptions=(INGEST_OUTCOMES,), works=()), drain_timeout=1.0
    )
    install(app, settings)
    async with TestClient(TestServer(app)) as client:

        async def ready() -> bool:
            async with client.get("/readyz") as answer:
                return answer.status == 200

        await eventually(ready)
        yield Ingest(client)
    await app[VERIFIER].close()
