"""The auth service's wiring."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from datetime import timedelta
from urllib.parse import urlsplit

from aiohttp import web

from libs.common.audit.acts import Act, acting
from libs.common.database.migrations import wait_until_current
from libs.common.database.postgres import Database
from libs.common.encryption.keyring import Keyring
from libs.common.errors import ConfigurationError, Unavailable
from libs.common.http.application import create_app
from libs.common.http.openapi import add_operations
from libs.common.http.system import SystemSource
from libs.common.keys import KEY_EXCHANGE, READINESS, TELEMETRY
from libs.common.mail import Mailer
from libs.common.resources import add_audit_trail, add_verifier, service_database
from libs.common.security.api_keys import Exchange, Exchanged, KeyExchange
from libs.common.security.passwords import Passwords
from libs.common.security.tokens import ISSUER
from libs.common.tasks import supervise
from libs.common.telemetry.tracing import Telemetry
from services.auth import routes
from services.auth.audit.auditing import Auditing
from services.auth.devices.devices import Devices
from services.auth.groups.groups import Groups
from services.auth.identity.bootstrap import Bootstrap
from services.auth.identity.own_password import OwnPassword
from services.auth.keys import (
    API_KEYS,
    APPLICATIONS,
    AUDITING,
    AUTH_METRICS,
    AUTHORIZING,
    CLIENTS,
    DATABASE,
    DEVICES,
    FACTORS,
    GRANTING,
    GROUPS,
    IDENTITIES,
    MEMBERSHIPS,
    OWN_PASSWORD,
    PROVIDER_SIGN_IN,
    RESETS,
    REVOCATION_LIST,
    SECOND_STEP,
    SESSIONS,
    SETTINGS,
    SIGNING_KEY,
    THROTTLE,
    USERS,
)
from services.auth.machines.api_keys import ApiKeys
from services.auth.machines.clients import Clients
from services.auth.machines.tokens import Tokens
from services.auth.metrics import AuthMetrics
from services.auth.oidc.linking import Identities
from services.auth.oidc.providers import load_providers
from services.auth.oidc.signing_in import ProviderSignIn
from services.auth.password_reset.mailing import Mailing
from services.auth.password_reset.resets import Resets
from services.auth.provider.applications import Applications
from services.auth.provider.authorizing import Authorizing
from services.auth.provider.granting import Granting
from services.auth.schema import MIGRATIONS
from services.auth.second_factor.checking import Codes
from services.auth.second_factor.factors import Factors
from services.auth.second_factor.second_step import SecondStep
from services.auth.second_factor.seeds import Seeds
from services.auth.sessions.login import Sessions
from services.auth.sessions.revocation_list import RevocationList
from services.auth.sessions.signing_key import SigningKey
from services.auth.sessions.throttle import Throttle
from services.auth.settings import AuthSettings
from services.auth.users.memberships import Memberships
from services.auth.users.users import Users

log = logging.getLogger(__name__)

PRUNE_SECONDS = 60.0
RENEW_SECONDS = 600.0


def install(app: web.Application, settings: AuthSettings) -> None:
    """Put the auth service onto `app`. Raises ConfigurationError without a database."""
    metrics = app[TELEMETRY].metrics
    database, passwords = service_database(settings, MIGRATIONS.schema, metrics), make_passwords(settings)
    key = SigningKey(database)
    auth_metrics = AuthMetrics(metrics.registry)
    throttle = app[THROTTLE] = Throttle(database, settings, auth_metrics)
    bootstrap = Bootstrap(database, passwords, key, settings)
    app[SETTINGS] = settings
    app[SIGNING_KEY] = key
    sessions = app[SESSIONS] = Sessions(database, passwords, key, settings, auth_metrics, throttle)
    seeds = read_seeds(settings)
    codes = Codes(database, passwords, seeds, issuer_of(settings.base_url))
    own_password = app[OWN_PASSWORD] = OwnPassword(database, passwords, throttle)
    app[FACTORS] = Factors(database, own_password, codes, throttle)
    app[SECOND_STEP] = SecondStep(database, key, sessions, codes, throttle, auth_metrics)
    app[AUTH_METRICS] = auth_metrics
    sign_in = app[PROVIDER_SIGN_IN] = ProviderSignIn(
        database,
        key,
        sessions,
        throttle,
        load_providers(settings.oidc_providers_file, require_tls=settings.require_tls),
        settings.base_url,
        auth_metrics,
    )
    if not (settings.password_sign_in or sign_in.providers):
        raise ConfigurationError("Set OIDC_PROVIDERS_FILE, or PASSWORD_SIGN_IN=true: nobody could sign in.")
    app[IDENTITIES] = Identities(database)
    app[REVOCATION_LIST] = RevocationList(database)
    app[READINESS]["auth"] = bootstrap.ready
    app[DATABASE] = database
    app[USERS] = Users(database, passwords, min_length=settings.password_min_length)
    app[MEMBERSHIPS] = Memberships(database)
    app[GROUPS] = Groups(database, second_factors=seeds.current is not None)
    lifetime, issuer = timedelta(seconds=settings.access_token_seconds), f"{settings.base_url}{routes.PREFIX}"
    app[APPLICATIONS] = Applications(database)
    app[AUTHORIZING] = Authorizing(database, issuer, auth_metrics)
    app[GRANTING] = Granting(database, key, sessions, issuer, lifetime, auth_metrics)
    tokens = Tokens(key, lifetime)
    app[API_KEYS] = ApiKeys(database, tokens)
    app[CLIENTS] = Clients(database, tokens, (f"{settings.base_url}{routes.PREFIX}/token", ISSUER))
    app[DEVICES] = Devices(database, throttle, idle_seconds=settings.session_idle_seconds)
    add_operations(
        app,
        prefix=routes.PREFIX,
        title="Authentication",
        service="auth",
        operations=(
            *routes.OPERATIONS,
            SystemSource("auth", settings, database, MIGRATIONS).operation("/system"),
        ),
    )

    mailing = make_mailing(database, settings, auth_metrics)
    app[RESETS] = Resets(database, passwords, throttle, settings, None if mailing is None else mailing.wake)
    auditing = app[AUDITING] = Auditing.of(database, settings, auth_metrics)

    async def audit() -> None:
        await wait_until_current(database, MIGRATIONS)
        await auditing.run()

    async def resources(_: web.Application) -> AsyncIterator[None]:
        await database.open()
        try:
            async with (
                supervise(app, "auth bootstrap", bootstrap.run()),
                supervise(app, "signing keys", key.run(auth_metrics)),
                supervise(app, "auth throttle", prune_for_ever(database, throttle)),
                supervise(app, "second factors", renew_for_ever(database, codes, seeds, auth_metrics)),
                supervise(app, "audit log", audit()),
                supervise(app, "mails", send_for_ever(database, mailing)),
            ):
                yield
        finally:
            await sign_in.close()
            passwords.close()
            await database.close()

    app.cleanup_ctx.append(resources)
    add_audit_trail(app, "auth", settings, database)


def create(settings: AuthSettings) -> web.Application:
    """The auth service as a process of its own."""
    app = create_app(settings, Telemetry("auth", settings))
    install(app, settings)
    verify_locally(app)
    return app


def verify_locally(app: web.Application) -> None:
    """Verify tokens in the process that signs them, without HTTP; after `install`."""

    async def keys() -> bytes:
        return (await app[SIGNING_KEY].key_set()).model_dump_json().encode()

    add_verifier(app, keys, app[REVOCATION_LIST].body)
    app[KEY_EXCHANGE] = KeyExchange(_local_exchange(app))


async def send_for_ever(database: Database, mailing: Mailing | None) -> None:
    """Send the mails that wait; without a mail server there are none."""
    if mailing is None:
        await asyncio.Event().wait()
        return
    await wait_until_current(database, MIGRATIONS)
    await mailing.run()


async def renew_for_ever(database: Database, codes: Codes, seeds: Seeds, metrics: AuthMetrics) -> None:
    """Have seeds closed by the current key after it was rotated, and show how many are not."""
    await wait_until_current(database, MIGRATIONS)
    while True:
        try:
            held = await codes.renew_seeds()
        except Unavailable as error:
            log.info("seeds of second factors are left as they are for now: %s", error.detail)
        else:
            current = held.pop(seeds.current, 0) if seeds.current is not None else 0
            former = sum(number for reference, number in held.items() if reference in seeds.known)
            metrics.show_factors(current, former, sum(held.values()) - former)
        await asyncio.sleep(RENEW_SECONDS)


async def prune_for_ever(database: Database, throttle: Throttle) -> None:
    """Keep the counters of wrong passwords few."""
    await wait_until_current(database, MIGRATIONS)
    while True:
        try:
            await throttle.prune()
        except Unavailable as error:
            log.info("counters of wrong passwords are kept for now: %s", error.detail)
        await asyncio.sleep(PRUNE_SECONDS)


def _local_exchange(app: web.Application) -> Exchange:
    """What API keys are exchanged with, without HTTP, in the process that signs."""

    async def exchange(key: str) -> Exchanged:
        # An act of its own: not the one of the request that the key came with.
        with acting(Act("auth", "exchange_key")):
            found = await app[API_KEYS].exchange(key)
        return Exchanged(found.access_token, found.expires_in)

    return exchange


def make_mailing(database: Database, settings: AuthSettings, metrics: AuthMetrics) -> Mailing | None:
    """Who sends mails; None without a mail server."""
    mailer = Mailer.of(settings)
    if mailer is None:
        return None
    return Mailing(database, mailer, settings.base_url, settings.password_reset_seconds, metrics)


def read_seeds(settings: AuthSettings) -> Seeds:
    """What seeds of authenticators are closed with. Raises ConfigurationError for an unreadable keyring."""
    path = settings.auth_keyring_file
    return Seeds(None if path is None else Keyring.load(path))


def issuer_of(base_url: str) -> str:
    """What authenticator apps call this system: people may have one of several."""
    return f"DICOM {urlsplit(base_url).hostname}"


def make_passwords(settings: AuthSettings) -> Passwords:
    """The password threads, as configured."""
    return Passwords(
        time_cost=settings.password_time_cost,
        memory_kib=settings.password_memory_kib,
        parallelism=settings.password_parallelism,
        workers=settings.password_workers,
        queue=settings.password_queue,
    )
