"""The auth service's wiring."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

from aiohttp import web

from libs.common.http.application import create_app
from libs.common.http.openapi import add_operations
from libs.common.keys import KEY_EXCHANGE, READINESS, TELEMETRY, VERIFIER
from libs.common.resources import service_database
from libs.common.security.api_keys import Exchange, Exchanged, KeyExchange
from libs.common.security.jwks import FetchKeys
from libs.common.security.tokens import ISSUER, TokenVerifier
from libs.common.tasks import supervise
from libs.common.telemetry.tracing import Telemetry
from services.auth import routes
from services.auth.groups.groups import Groups
from services.auth.identity.bootstrap import Bootstrap
from services.auth.identity.passwords import Passwords
from services.auth.keys import API_KEYS, CLIENTS, DATABASE, GROUPS, SESSIONS, SETTINGS, SIGNING_KEY, USERS
from services.auth.machines.api_keys import ApiKeys
from services.auth.machines.clients import Clients
from services.auth.machines.tokens import Tokens
from services.auth.metrics import AuthMetrics
from services.auth.schema import MIGRATIONS
from services.auth.sessions.login import Sessions
from services.auth.sessions.signing_key import SigningKey
from services.auth.settings import AuthSettings
from services.auth.users.users import Users


def install(app: web.Application, settings: AuthSettings) -> None:
    """Put the auth service onto `app`. Raises ConfigurationError without a database."""
    metrics = app[TELEMETRY].metrics
    database, passwords = service_database(settings, MIGRATIONS.schema, metrics), make_passwords(settings)
    key = SigningKey(database)
    bootstrap = Bootstrap(database, passwords, key, settings)
    app[SETTINGS] = settings
    app[SIGNING_KEY] = key
    app[SESSIONS] = Sessions(database, passwords, key, settings, AuthMetrics(metrics.registry))
    app[READINESS]["auth"] = bootstrap.ready
    app[DATABASE] = database
    app[USERS] = Users(database, passwords, min_length=settings.password_min_length)
    app[GROUPS] = Groups(database)
    tokens = Tokens(key, timedelta(seconds=settings.access_token_seconds))
    app[API_KEYS] = ApiKeys(database, tokens)
    app[CLIENTS] = Clients(database, tokens, (f"{settings.base_url}{routes.PREFIX}/token", ISSUER))
    add_operations(app, prefix=routes.PREFIX, title="Authentication", operations=routes.OPERATIONS)

    async def resources(_: web.Application) -> AsyncIterator[None]:
        await database.open()
        try:
            async with supervise(app, "auth bootstrap", bootstrap.run()):
                yield
        finally:
            passwords.close()
            await database.close()

    app.cleanup_ctx.append(resources)


def create(settings: AuthSettings) -> web.Application:
    """The auth service as a process of its own."""
    app = create_app(settings, Telemetry("auth", settings))
    verifier = app[VERIFIER] = TokenVerifier(local_keys(app))
    app[KEY_EXCHANGE] = KeyExchange(local_exchange(app))

    async def verification(_: web.Application) -> AsyncIterator[None]:
        yield
        await verifier.close()

    install(app, settings)
    app.cleanup_ctx.append(verification)
    return app


def local_keys(app: web.Application) -> FetchKeys:
    """The key set without HTTP, for a verifier in the process that signs."""

    async def fetch() -> bytes:
        signer = await app[SIGNING_KEY].signer()
        return signer.key_set().model_dump_json().encode()

    return fetch


def local_exchange(app: web.Application) -> Exchange:
    """What API keys are exchanged with, without HTTP, in the process that signs."""

    async def exchange(key: str) -> Exchanged:
        found = await app[API_KEYS].exchange(key)
        return Exchanged(found.access_token, found.expires_in)

    return exchange


def make_passwords(settings: AuthSettings) -> Passwords:
    """The password threads, as configured."""
    return Passwords(
        time_cost=settings.password_time_cost,
        memory_kib=settings.password_memory_kib,
        parallelism=settings.password_parallelism,
        workers=settings.password_workers,
        queue=settings.password_queue,
    )
