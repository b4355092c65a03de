"""Where dead letters can be: the broker's dead queues, and the outboxes of the services."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from libs.common.bus.dead_letters import DeadLetters
from libs.common.bus.rabbitmq.dead_letters import BrokerLetters
from libs.common.database.postgres import Database
from libs.common.outbox.dead_letters import OutboxLetters
from services.operator.preflight import Server, check_broker, explaining_failures
from services.operator.settings import OperatorSettings

OUTBOXES = ("ingest", "results")
"""Schemas with an outbox."""
STATEMENT_SECONDS = 60.0


@asynccontextmanager
async def places(settings: OperatorSettings, database_url: str | None) -> AsyncIterator[list[DeadLetters]]:
    """All that the settings lead to; without `database_url` only the broker.

    Raises ConfigurationError in one sentence when a server is not there.
    """
    found: list[DeadLetters] = []
    if settings.amqp_url is not None:
        url = settings.amqp_url.get_secret_value()
        await check_broker(url, settings.tls_ca_file)
        found.append(
            BrokerLetters(
                url,
                timeout=settings.amqp_publish_timeout,
                ca_file=settings.tls_ca_file,
                topology=settings.topology(),
            )
        )
    if database_url is None:
        yield found
        return
    with explaining_failures(Server.of(database_url), "DATABASE_ADMIN_URL or DATABASE_URL"):
        database = Database(database_url, size=1, timeout=STATEMENT_SECONDS, application_name="dead")
        await database.open()
        try:
            yield [*found, *(OutboxLetters(database, schema) for schema in OUTBOXES)]
        finally:
            await database.close()
