"""How deep the queues are, asked on a connection of its own for each look."""

from __future__ import annotations

import asyncio
from pathlib import Path

from libs.common.bus.inspection import Depth, depths
from libs.common.bus.rabbitmq.connection import amqp_url, as_unavailable, dialled
from libs.common.bus.topology import Topology


class BrokerDepths:
    """Looks at every queue of a topology."""

    def __init__(self, url: str, *, timeout: float, ca_file: Path | None, topology: Topology) -> None:
        """`timeout` in seconds bounds a look; `ca_file` is TLS_CA_FILE. Raises ConfigurationError."""
        self._url = amqp_url(url)
        self._timeout = timeout
        self._ca_file = ca_file
        self.topology = topology

    async def look(self) -> list[Depth]:
        """What waits now. Raises Unavailable."""
        async with dialled(
            self._url, timeout=self._timeout, ca_file=self._ca_file, name="queues"
        ) as connection:
            with as_unavailable("does not tell its queues"):
                async with asyncio.timeout(self._timeout):
                    return await depths(connection, self.topology)
