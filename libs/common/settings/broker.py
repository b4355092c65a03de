"""RabbitMQ."""

from __future__ import annotations

from pydantic import Field, SecretStr

from libs.common.bus.lanes import DEFAULT_LANES, DEFAULT_LARGE_BYTES
from libs.common.bus.topology import TOPOLOGY, Topology, with_lanes
from libs.common.settings.service import ServiceSettings


class BrokerSettings(ServiceSettings):
    """For a service that publishes events or takes them."""

    amqp_url: SecretStr | None = Field(
        None,
        description="amqp:// or amqps:// URL of RabbitMQ, with the account of this service; unset: "
        "in-process bus, in one process only.",
    )
    lanes: int = Field(
        DEFAULT_LANES,
        ge=1,
        le=64,
        description="Lanes that the collections share; the same for every service. Lower it only while "
        "nothing waits for the processor.",
    )
    large_bytes: int = Field(
        DEFAULT_LARGE_BYTES,
        ge=1,
        description="Decoded size from which on a file waits apart, among the large ones, in bytes.",
    )
    amqp_publish_timeout: float = Field(10.0, gt=0, description="Seconds to wait for a publisher confirm.")

    def topology(self) -> Topology:
        """The table of exchanges and queues with these lanes."""
        return with_lanes(TOPOLOGY, self.lanes, self.large_bytes)
