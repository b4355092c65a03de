"""A running results service for tests: real database, object store and tokens, the in-process bus."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any
from uuid import UUID

from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient, TestServer
from joserfc import jwt
from pydantic import SecretStr

from libs.common.access import Mode
from libs.common.bus.contract import Handler, Subscription
from libs.common.bus.inprocess import InProcessBus
from libs.common.bus.topology import RESULTS_FILES, RESULTS_MOVES, RESULTS_WORKERS
from libs.common.encryption.keyring import Keyring
from libs.common.errors import Unavailable
from libs.common.events import REQUESTED, Event
from libs.common.http.application import create_app
from libs.common.ids import file_key
from libs.common.keys import BUS, VERIFIER
from libs.common.permissions import encode
from libs.common.resources import drain_bus
from libs.common.security.revocations import Revocations
from libs.common.security.tokens import ALGORITHM, AUDIENCE, ISSUER, Claims, TokenVerifier, token_registry
from libs.common.storage import Storage
from libs.common.telemetry.tracing import Telemetry
from services.auth.sessions.signing import TokenSigner, generate_seed, key_set_of
from services.results.app import install
from services.results.keys import STORAGE
from services.results.settings import ResultsSettings
from tests.bus_support import FAST
from tests.unit.services.results.events import received, trailer
from tests.waiting import eventually

OWNER = 7
STRANGER = 8
STAFF = 1
MEMBER = 9
GROUPS: Mapping[int, Mapping[str, Mode]] = {MEMBER: {"group:3": "view", "group:4": "manage"}}
"""Collections of groups, by user."""
WORK = Subscription("tests.work", (REQUESTED,))
"""As a processor takes what is requested."""
SIGNER = TokenSigner(generate_seed())


@dataclass
class Results:
    """One replica and what surrounds it."""

    client: TestClient[web.Request, web.Application]
    bus: InProcessBus
    storage: Storage

    async def publish(self, *events: Event) -> None:
        """Return when each event was handled, in order."""
        for event in events:
            await self.bus.publish(event)

    async def upload(self, event: Event | None = None, *, content: bytes = b"DICM", **members: Any) -> UUID:
        """Store an object as ingest does, and publish its `received`."""
        event = event or received()
        file_id = event.file_id
        await self.storage.put(file_key(file_id), content, trailer(**members), durable=False)
        await self.publish(event)
        return file_id

    async def get(
        self, path: str, user: int = OWNER, *, method: str = "GET", **headers: str
    ) -> ClientResponse:
        """Ask as `user`, who is in the groups that GROUPS says; underscores in header names become dashes."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        caller = bearer(user, collections=GROUPS.get(user, {}))
        return await self.client.request(method, path, headers={**caller, **named})

    async def json(self, path: str, user: int = OWNER, status: int = 200) -> Any:
        """The JSON body of an answer with `status`."""
        async with await self.get(path, user) as response:
            assert response.status == status, await response.text()
            return await response.json(content_type=None)


def bearer(
    user: int,
    lifetime: float = 7200.0,
    collections: Mapping[str, Mode] = MappingProxyType({}),
    *,
    groups: Sequence[int] = (),
    permissions: Iterable[str] | None = None,
) -> dict[str, str]:
    """An Authorization header for `user`, who is staff if it is STAFF; valid for `lifetime` seconds.

    `collections` are those of the user's groups; without `permissions` those of before there were any.
    """
    now = int(datetime.now(UTC).timestamp())
    claims = Claims(
        iss=ISSUER,
        aud=AUDIENCE,
        sub=str(user),
        username=f"user{user}",
        staff=user == STAFF,
        groups=list(groups),
        permissions=[],
        perm=None if permissions is None else encode(permissions),
        collections=dict(collections),
        iat=now,
        exp=int(now + lifetime),
        jti="x",
    )
    token = jwt.encode(
        {"alg": ALGORITHM, "kid": SIGNER.kid},
        claims.model_dump(exclude_none=True),
        SIGNER._key,
        registry=token_registry(),
    )
    return {"Authorization": f"Bearer {token}"}


@asynccontextmanager
async def running_results(
    url: str,
    folder: Path,
    *,
    ready: bool = True,
    revocations: Revocations | None = None,
    work: Handler | None = None,
    **changed: Any,
) -> AsyncIterator[Results]:
    """Run a replica on the database at `url` with its objects in `folder`; `work` takes its requests."""
    keyring = folder / "keyring.json"
    if not keyring.exists():
        Keyring.create(keyring)
    settings = ResultsSettings(
        database_url=SecretStr(url), data_dir=folder, keyring_file=keyring, database_timeout=30.0, **changed
    )
    telemetry = Telemetry("results", settings)
    app = create_app(settings, telemetry)

    async def keys() -> bytes:
        return key_set_of([SIGNER]).model_dump_json().encode()

    app[VERIFIER] = TokenVerifier(keys, revocations=revocations)
    takers = () if work is None else (WORK,)
    topology = replace(FAST, subscriptions=(RESULTS_FILES, RESULTS_MOVES, RESULTS_WORKERS, *takers), works=())
    bus = InProcessBus(telemetry, topology=topology, drain_timeout=5.0)
    app[BUS] = bus
    app.on_shutdown.append(drain_bus)
    install(app, settings)
    if work is not None:
        await bus.subscribe(WORK, work, concurrency=64)
    async with TestClient(TestServer(app)) as client:
        results = Results(client, bus, app[STORAGE])
        if ready:
            await eventually(lambda: is_ready(results))
        yield results
    await app[VERIFIER].close()


async def is_ready(results: Results) -> bool:
    """The service answers so, and its handler is subscribed."""
    async with results.client.get("/readyz") as response:
        if response.status != 200:
            return False
    try:
        await results.bus.ready()
    except Unavailable:
        return False
    return True
