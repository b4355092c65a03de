"""What several services build from the common settings, each for its own `app.py`."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator

from aiohttp import web
from prometheus_client import Gauge
from pydantic import SecretStr

from libs.common.audit.trail import AuditTrail
from libs.common.bus.rabbitmq.bus import RabbitMQBus
from libs.common.database.postgres import Database
from libs.common.encryption.followed import FollowedKeyring
from libs.common.encryption.keyring import Keyring
from libs.common.errors import ConfigurationError, Unavailable
from libs.common.http.application import create_app
from libs.common.http.audited import AUDIT_TRAILS
from libs.common.keys import BUS, KEY_EXCHANGE, READINESS, STORAGE_METRICS, TELEMETRY, VERIFIER
from libs.common.outbox.relay import OutboxRelay
from libs.common.security.api_keys import HttpExchange, KeyExchange
from libs.common.security.http_document import HttpDocument
from libs.common.security.jwks import FetchKeys
from libs.common.security.revocations import MAX_REVOCATION_BYTES, Revocations
from libs.common.security.tokens import TokenVerifier
from libs.common.settings.broker import BrokerSettings
from libs.common.settings.database import DatabaseSettings
from libs.common.settings.outbox import OutboxSettings
from libs.common.settings.storage import StorageSettings
from libs.common.settings.tokens import TokenSettings
from libs.common.storage import FileStorage, Storage
from libs.common.storage.metered import MeteredStorage
from libs.common.storage.metrics import StorageMetrics
from libs.common.tasks import supervise
from libs.common.telemetry.metrics import Metrics
from libs.common.telemetry.tracing import Telemetry

log = logging.getLogger(__name__)


def service_database(settings: DatabaseSettings, role: str, metrics: Metrics | None = None) -> Database:
    """The service's own pool, not yet opened; `metrics` show it.

    Raises ConfigurationError without DATABASE_URL.
    """
    if settings.database_url is None:
        raise ConfigurationError(
            f"Set DATABASE_URL to this service's own role, e.g. postgresql://{role}:…@host/bddicomimage."
        )
    return _pool(settings, settings.database_url, role, role, metrics)


def standby_database(
    settings: DatabaseSettings, url: SecretStr | None, role: str, metrics: Metrics | None = None
) -> Database | None:
    """A pool of the same size on `url`, not yet opened; None without one. Raises ConfigurationError."""
    return None if url is None else _pool(settings, url, role, f"{role}-reads", metrics)


def _pool(
    settings: DatabaseSettings, url: SecretStr, role: str, name: str, metrics: Metrics | None
) -> Database:
    return Database(
        url.get_secret_value(),
        role=role if settings.database_set_role else None,
        size=settings.database_pool_size,
        timeout=settings.database_timeout,
        application_name=name,
        metrics=metrics,
    )


def outbox_relay(
    app: web.Application, settings: OutboxSettings, database: Database, schema: str, slots: int | None
) -> OutboxRelay:
    """The relay of a service's outbox; `slots` in process as OutboxRelay has them, None with RabbitMQ."""
    in_flight = settings.outbox_in_flight if slots is None else settings.outbox_in_flight_in_process
    return OutboxRelay(
        database,
        app[BUS],
        schema,
        app[TELEMETRY],
        in_flight=in_flight,
        lease=settings.outbox_lease,
        poll=settings.outbox_poll,
        in_process_slots=slots,
    )


def open_storage(settings: StorageSettings, keyring: Keyring) -> Storage:
    """The object store that STORAGE_URL names. Raises ConfigurationError if it names none."""
    if not settings.stores_in_mongodb:
        return FileStorage(settings.storage_root, keyring)
    # Only who keeps objects in MongoDB needs its driver.
    try:
        from libs.common.storage.bucket import Bucket
        from libs.common.storage.gridfs import GridFSStorage
    except ImportError as error:
        raise ConfigurationError(
            "Install the extra `gridfs`, or set STORAGE_URL to file:///folder."
        ) from error
    bucket = Bucket(str(settings.storage_url), settings.tls_ca_file)
    return GridFSStorage(bucket, keyring, spool=settings.spool_path.absolute())


def service_storage(settings: StorageSettings) -> Storage:
    """The object store; close it. Raises ConfigurationError without a readable keyring."""
    return open_storage(settings, FollowedKeyring(settings.keyring_path))


def add_storage(app: web.Application, service: str, settings: StorageSettings) -> Storage:
    """The object store as `service` uses it: measured, part of readiness, closed after what uses it.

    Raises ConfigurationError without a readable keyring.
    """
    metrics = app.get(STORAGE_METRICS)
    if metrics is None:
        metrics = app[STORAGE_METRICS] = StorageMetrics(app[TELEMETRY].metrics.registry)
    keyring = FollowedKeyring(settings.keyring_path)
    metrics.follow_keyring(keyring)
    storage = MeteredStorage(open_storage(settings, keyring), metrics)
    app[READINESS][f"{service} storage"] = storage.ready

    async def objects(app: web.Application) -> AsyncIterator[None]:
        async with supervise(app, f"{service} storage room", metrics.follow_room(storage)):
            yield
        await storage.close()

    app.cleanup_ctx.append(objects)
    return storage


def add_audit_trail(
    app: web.Application, service: str, settings: DatabaseSettings, database: Database
) -> None:
    """Note what `service` is asked for, with its own database role, from start to end."""
    trail = AuditTrail(database, service, strict=settings.audit_strict_reads)
    app[AUDIT_TRAILS][service] = trail

    async def noting(app: web.Application) -> AsyncIterator[None]:
        async with supervise(app, f"{service} audit entries", trail.run()):
            yield
        try:
            await trail.flush()
        except Unavailable as error:
            log.error("audit entries of the last second are lost: %s", error.detail)

    app.cleanup_ctx.append(noting)


def standalone(service: str, settings: BrokerSettings) -> web.Application:
    """The base of a service that takes or gives events, in a process of its own.

    Raises ConfigurationError without AMQP_URL: the in-process bus reaches nobody else.
    """
    if settings.amqp_url is None:
        raise ConfigurationError(
            f"Set AMQP_URL, e.g. amqp://user:password@host:5672/; without it run all services in one process "
            f"(`python -m services`), not {service} alone."
        )
    app = create_app(settings, Telemetry(service, settings))
    add_rabbitmq(app, service, settings, settings.amqp_url.get_secret_value())
    return app


def add_token_keys(app: web.Application, settings: TokenSettings) -> None:
    """Verify tokens with the keys of their issuer, which need not be there yet."""
    keys = HttpDocument(settings.jwks_url, ca_file=settings.tls_ca_file)
    revoked = HttpDocument(
        settings.revocations_url,
        what="revoked tokens",
        ca_file=settings.tls_ca_file,
        limit=MAX_REVOCATION_BYTES,
    )
    verifier = add_verifier(app, keys, revoked)
    app[READINESS]["token keys"] = verifier.ready

    exchange = HttpExchange(settings.token_url, ca_file=settings.tls_ca_file)
    app[KEY_EXCHANGE] = KeyExchange(exchange)

    async def connections(_: web.Application) -> AsyncIterator[None]:
        await verifier.open()
        yield
        await revoked.close()
        await keys.close()
        await exchange.close()

    app.cleanup_ctx.append(connections)


def add_verifier(app: web.Application, keys: FetchKeys, revoked: FetchKeys) -> TokenVerifier:
    """Verify access tokens, and follow what was revoked for as long as `app` runs."""
    revocations = Revocations(revoked)
    verifier = app[VERIFIER] = TokenVerifier(keys, revocations=revocations)
    Gauge(
        "token_revocations_age_seconds",
        "Time since the list of revoked tokens was last read; beyond it a token's life is the bound",
        registry=app[TELEMETRY].metrics.registry,
    ).set_function(lambda: revocations.age)

    async def following(app: web.Application) -> AsyncIterator[None]:
        async with supervise(app, "revoked tokens", revocations.run()):
            yield
        await verifier.close()

    app.cleanup_ctx.append(following)
    return verifier


def add_rabbitmq(app: web.Application, name: str, settings: BrokerSettings, url: str) -> None:
    """Connect `app` to RabbitMQ as `name`; the broker need not be there yet."""

    async def messaging(app: web.Application) -> AsyncIterator[None]:
        bus = app[BUS] = RabbitMQBus(
            url,
            app[TELEMETRY],
            name=name,
            topology=settings.topology(),
            ca_file=settings.tls_ca_file,
            publish_timeout=settings.amqp_publish_timeout,
            drain_timeout=settings.shutdown_timeout,
        )
        app[READINESS]["rabbitmq"] = bus.ready
        await bus.open()
        async with supervise(app, "rabbitmq", bus.watch()):
            yield
        await bus.close()

    app.cleanup_ctx.append(messaging)
    app.on_shutdown.append(drain_bus)


async def drain_bus(app: web.Application) -> None:
    """Before any resource is closed: take no more events, let running handlers finish."""
    await app[BUS].drain()
