"""RabbitMQ."""

from __future__ import annotations

from pydantic import Field, SecretStr

from libs.common.settings.service import ServiceSettings


class BrokerSettings(ServiceSettings):
    """For a service that publishes events or takes them."""

    amqp_url: SecretStr | None = Field(
        None, description="amqp:// or amqps:// URL of RabbitMQ; unset: in-process bus, in one process only."
    )
    amqp_publish_timeout: float = Field(10.0, gt=0, description="Seconds to wait for a publisher confirm.")
