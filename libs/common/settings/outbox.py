"""Settings of services that announce: the pace of their outbox's relay."""

from __future__ import annotations

from pydantic import Field

from libs.common.settings.base import Settings


class OutboxSettings(Settings):
    """How many events are on their way at once, and how often the outbox is looked at."""

    outbox_in_flight: int = Field(100, ge=1, description="Events published at the same time (RabbitMQ).")
    outbox_in_flight_in_process: int = Field(
        10_000,
        ge=1,
        description="The same without RabbitMQ, where an event stays in flight until the file is measured.",
    )
    outbox_lease: float = Field(
        30.0, gt=0, description="Seconds after which a lost relay's events are retaken."
    )
    outbox_poll: float = Field(
        1.0, gt=0, description="Seconds between looks at the outbox when nobody wakes it."
    )
