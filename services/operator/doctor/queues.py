"""RabbitMQ: the login, the topology, and what waits, is dead, or has nobody to take it."""

from __future__ import annotations

from collections.abc import Sequence

from aio_pika.exceptions import AMQPError

from libs.common.bus.inspection import Depth, depths
from libs.common.bus.topology import Topology
from libs.common.errors import Unavailable
from services.operator.doctor import broker_account
from services.operator.doctor.report import Finding
from services.operator.doctor.settings import DoctorSettings
from services.operator.preflight import broker

NAME = "rabbitmq"


async def check(settings: DoctorSettings) -> list[Finding]:
    """Ask the broker. Raises ConfigurationError when it does not let us in."""
    if settings.amqp_url is None:
        return [Finding(NAME, "ok", "No AMQP_URL: events stay in the process, the outbox keeps them.")]
    try:
        url = settings.amqp_url.get_secret_value()
        async with broker(url, settings.tls_ca_file) as connection:
            found = await depths(connection, settings.topology())
            account = await broker_account.look(connection, url, settings.topology())
    except (AMQPError, OSError) as error:
        raise Unavailable(f"RabbitMQ does not tell its queues ({type(error).__name__}).") from error
    return [account, *judge(found, settings.topology())]


def judge(found: Sequence[Depth], topology: Topology) -> list[Finding]:
    """What the depths of all queues mean; pure."""
    findings = []
    if missing := [depth.queue for depth in found if depth.messages is None]:
        findings.append(
            Finding(
                NAME,
                "problem",
                f"Queues are missing: {', '.join(missing)}.",
                "Run `python -m services migrate`: it declares them, with an account that may configure.",
            )
        )
    main = {queue.name for queue in topology.queues() if queue.role == "main"}
    dead = {queue.name for queue in topology.queues() if queue.role == "dead"}
    old = {retired.queue for retired in topology.retired}
    for depth in found:
        if depth.queue in dead and depth.messages:
            findings.append(
                Finding(
                    NAME,
                    "problem",
                    f"{depth.queue} holds {depth.messages} messages that nobody could read.",
                    "See them with `python -m services dead list`; docs/operations.md says what to do.",
                )
            )
        elif depth.queue in main and depth.messages and not depth.consumers:
            findings.append(
                Finding(
                    NAME,
                    "problem",
                    f"{depth.messages} messages wait in {depth.queue}, and nobody takes them.",
                    f"Start {depth.queue.partition('.')[0]}, or see in its log why it does not consume.",
                )
            )
        elif depth.queue in old:
            findings.append(
                Finding(
                    NAME,
                    "ok",
                    f"{depth.queue}: {depth.messages} wait for the end of the release before, "
                    f"{depth.consumers} consumers.",
                )
            )
        elif depth.queue in main and depth.messages is not None:
            findings.append(
                Finding(NAME, "ok", f"{depth.queue}: {depth.messages} wait, {depth.consumers} consumers.")
            )
    return findings
