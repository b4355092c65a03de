"""RabbitMQ as infra/rabbitmq configures it, on a private node with certificates and secrets of its own."""

from __future__ import annotations

import base64
import json
import ssl
from http.client import HTTPSConnection
from pathlib import Path
from typing import Any

from infra import certificates, deployment_secrets
from tests.ports import free_ports
from tests.rabbitmq_node import RabbitMQNode

CONFIGURATION = Path("infra/rabbitmq")
POLICIES = """
ok = file:write_file("%s", rabbit_json:encode(maps:from_list([
    {element(4, amqqueue:get_name(Q)), maps:from_list(rabbit_policy:effective_definition(Q))}
    || Q <- rabbit_amqqueue:list(<<"dicom">>), rabbit_policy:effective_definition(Q) =/= undefined])))
"""


class DeployedNode(RabbitMQNode):
    """A private node with the deployment's own configuration; paths and ports are the test's."""

    def __init__(self, folder: Path) -> None:
        """Makes certificates and secrets in `folder`."""
        super().__init__(folder)
        self.folder = folder
        certificates.make(folder / "certs")
        deployment_secrets.make(folder / "secrets")
        self.ports = dict(zip((5671, 15671, 15691), free_ports(3), strict=True))
        self.ca_file = folder / "certs" / "rabbitmq" / "ca.crt"
        self.trust = ssl.create_default_context(cafile=self.ca_file)

    def _prepare(self) -> None:
        super()._prepare()
        text = (CONFIGURATION / "rabbitmq.conf").read_text()
        replaced = {
            "/run/certs": str(self.folder / "certs" / "rabbitmq"),
            "/run/secrets": str(self.folder / "secrets"),
            "= 1GB": "= 1MB",
            "log.console = true": "log.console = false",
            **{f"= {port}\n": f"= {own}\n" for port, own in self.ports.items()},
        }
        for given, own in replaced.items():
            assert given in text
            text = text.replace(given, own)
        if any(Path("/usr/lib/rabbitmq/lib").glob("rabbitmq_server-3.*")):
            text = text.replace("prometheus.tcp.listener   = none\n", "")
        (self.folder / "rabbitmq.conf").write_text(text)
        plugins = (CONFIGURATION / "enabled_plugins").read_text()
        (self.folder / "enabled_plugins").write_text(plugins)

    def secret(self, name: str) -> str:
        """What a secret file holds."""
        return (self.folder / "secrets" / name).read_text()

    def amqps_url(self, account: str) -> str:
        """AMQP_URL that the deployment gives to a service, at this node's address."""
        return self.secret(f"{account}_amqp_url").replace("rabbitmq:5671", f"localhost:{self.ports[5671]}")

    def effective_policies(self) -> dict[str, dict[str, Any]]:
        """What the policies say of each queue; the management interface knows it a few seconds later."""
        file = self.folder / "policies.json"
        self.evaluate((POLICIES % file).replace("\n", " "))
        found: dict[str, dict[str, Any]] = json.loads(file.read_text())
        return found

    def get(
        self, port: int, path: str, user: str = "monitoring", password: str | None = None
    ) -> tuple[int, str]:
        """GET over verified HTTPS; status and body."""
        given = self.secret("monitoring_password") if password is None else password
        token = base64.b64encode(f"{user}:{given}".encode()).decode()
        connection = HTTPSConnection("localhost", self.ports[port], timeout=60, context=self.trust)
        try:
            connection.request("GET", path, headers={"Authorization": f"Basic {token}"})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()
