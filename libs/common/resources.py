"""What several services build from the common settings, each for its own `app.py`."""

from __future__ import annotations

from collections.abc import AsyncIterator

from aiohttp import web

from libs.common.bus.rabbitmq import RabbitMQBus
from libs.common.errors import ConfigurationError
from libs.common.jwks import HttpKeys
from libs.common.keyring import Keyring
from libs.common.keys import BUS, READINESS, TELEMETRY, VERIFIER
from libs.common.metrics import Metrics
from libs.common.postgres import Database
from libs.common.settings import CommonSettings
from libs.common.storage import FileStorage
from libs.common.tasks import supervise
from libs.common.telemetry import Telemetry
from libs.common.tokens import TokenVerifier
from libs.common.web import create_app


def service_database(settings: CommonSettings, role: str, metrics: Metrics | None = None) -> Database:
    """The service's own pool, not yet opened; `metrics` show it.

    Raises ConfigurationError without DATABASE_URL.
    """
    if settings.database_url is None:
        raise ConfigurationError(
            f"Set DATABASE_URL to this service's own role, e.g. postgresql://{role}:…@host/bddicomimage."
        )
    return Database(
        settings.database_url.get_secret_value(),
        role=role if settings.database_set_role else None,
        size=settings.database_pool_size,
        timeout=settings.database_timeout,
        application_name=role,
        metrics=metrics,
    )


def service_storage(settings: CommonSettings) -> FileStorage:
    """The object store. Raises ConfigurationError without a readable keyring."""
    return FileStorage(settings.storage_root, Keyring.load(settings.keyring_path))


def standalone(service: str, settings: CommonSettings) -> web.Application:
    """The base of a service in a process of its own: RabbitMQ, and tokens verified with the issuer's keys.

    Raises ConfigurationError without AMQP_URL: the in-process bus reaches nobody else.
    """
    if settings.amqp_url is None:
        raise ConfigurationError(
            f"Set AMQP_URL, e.g. amqp://user:password@host:5672/; without it run all services in one process "
            f"(`python -m services`), not {service} alone."
        )
    app = create_app(settings, Telemetry(service, settings))
    verifier = app[VERIFIER] = TokenVerifier(HttpKeys(settings.jwks_url, ca_file=settings.tls_ca_file))

    async def verification(_: web.Application) -> AsyncIterator[None]:
        await verifier.open()
        yield
        await verifier.close()

    app[READINESS]["token keys"] = verifier.ready
    app.cleanup_ctx.append(verification)
    add_rabbitmq(app, service, settings, settings.amqp_url.get_secret_value())
    return app


def add_rabbitmq(app: web.Application, name: str, settings: CommonSettings, url: str) -> None:
    """Connect `app` to RabbitMQ as `name`; the broker need not be there yet."""

    async def messaging(app: web.Application) -> AsyncIterator[None]:
        bus = app[BUS] = RabbitMQBus(
            url,
            app[TELEMETRY],
            name=name,
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
