"""The compose file as a running project: `make up` in a folder, with a name and ports of the test's own."""

from __future__ import annotations

import json
import ssl
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from infra import deployment_environment
from tests.deploy import product
from tests.deploy.podman import Podman, PodmanError
from tests.e2e.conftest import System
from tests.e2e.processes import PASSWORD


@dataclass(frozen=True)
class Stack:
    """One compose project."""

    podman: Podman
    folder: Path
    project: str
    port: int
    grafana_port: int
    dimse_port: int
    settings: Mapping[str, str] = field(default_factory=dict)
    """More for the compose file's variables, such as POSTGRES_IMAGE."""

    @property
    def environment(self) -> dict[str, str]:
        """The variables of infra/compose.yml."""
        return {
            "COMPOSE_PROJECT_NAME": self.project,
            "DICOM_VERSION": product.VERSION,
            "GATEWAY_ADDRESS": "127.0.0.1",
            "GATEWAY_PORT": str(self.port),
            "GRAFANA_PORT": str(self.grafana_port),
            "DIMSE_PORT": str(self.dimse_port),
            **self.settings,
        }

    @property
    def certificates(self) -> Path:
        """Where each host's certificate lies."""
        return self.folder / "var" / "deploy" / "certs"

    def secret(self, name: str) -> str:
        """The content of a secret's file."""
        return (self.folder / "var" / "deploy" / "secrets" / name).read_text().strip()

    @property
    def kept(self) -> dict[str, str]:
        """infra/.env, as `make up` has left it."""
        return deployment_environment.read(self.folder / "infra" / ".env")

    def up(self, *arguments: str, **given: str) -> str:
        """`make up GIVEN`: everything made, built and started; returns when all of it is ready."""
        return self.python("infra.up", *arguments, timeout=900, **given)

    def python(self, *arguments: str, timeout: float, **given: str) -> str:
        """`python -m …` in the product's folder, as its Makefile would."""
        return self.podman.command(
            [sys.executable, "-m", *arguments],
            timeout=timeout,
            environment={**self.environment, **given},
            folder=self.folder,
        )

    def compose(self, *arguments: str, timeout: float = 120.0, input: bytes | None = None) -> str:
        """`podman-compose …` beside compose.yml."""
        return self.podman.command(
            ["podman-compose", *arguments],
            timeout=timeout,
            environment=self.environment,
            folder=self.folder / "infra",
            input=input,
        )

    def containers(self, service: str | None = None) -> list[dict[str, Any]]:
        """The project's containers as podman lists them, in order of their numbers."""
        filters = [f"label=io.podman.compose.project={self.project}"]
        if service is not None:
            filters.append(f"label=com.docker.compose.service={service}")
        found = self.podman.containers(*filters)
        return sorted(found, key=lambda one: int(one["Labels"]["com.docker.compose.container-number"]))

    def name(self, service: str) -> str:
        """The name of a service's first container."""
        return str(self.containers(service)[0]["Names"][0])

    def inspect(self, service: str) -> dict[str, Any]:
        """What podman knows about a service's first container."""
        return self.podman.inspect(self.name(service))[0]

    def address(self, service: str) -> str:
        """The IP address of a service's first container, which this machine reaches over the bridge."""
        networks: dict[str, dict[str, str]] = self.inspect(service)["NetworkSettings"]["Networks"]
        return next(network["IPAddress"] for network in networks.values() if network["IPAddress"])

    def sql(self, statement: str) -> list[list[str]]:
        """Rows of a query, as the administrator asks in the server's own container."""
        output = self.podman(
            "exec",
            f"--env=PGPASSWORD={self.secret('postgres_password')}",
            self.name("postgres"),
            *(
                "psql",
                "--username=postgres",
                "--dbname=bddicomimage",
                "--no-psqlrc",
                "--csv",
                "--tuples-only",
            ),
            f"--command={statement}",
        )
        return [line.split(",") for line in output.splitlines()]

    def queues(self) -> dict[str, int]:
        """Messages by queue; a stream keeps what everybody has read."""
        listed = self.podman(
            "exec",
            self.name("rabbitmq"),
            *(
                "rabbitmqctl",
                "--quiet",
                "--vhost=dicom",
                "--formatter=json",
                "list_queues",
                "name",
                "type",
                "messages",
            ),
        )
        return {
            queue["name"]: int(queue["messages"])
            for queue in json.loads(listed)
            if queue["type"] != "rabbit_stream_queue" and queue["type"] != "stream"
        }

    @cached_property
    def tls(self) -> ssl.SSLContext:
        """Trusts the private CA and nobody else."""
        return ssl.create_default_context(cafile=self.certificates / "ca" / "ca.crt")

    def ended_badly(self) -> list[str]:
        """Names of containers that ended with an error, keep restarting or are not healthy."""
        bad = []
        for listed in self.containers():
            name = str(listed["Names"][0])
            for known in self.podman.inspect(name):
                state = known["State"]
                health = (state.get("Health") or {}).get("Status", "")
                if (
                    (not state["Running"] and state["ExitCode"])
                    or known["RestartCount"]
                    or health == "unhealthy"
                ):
                    bad.append(name)
        return bad

    def remove(self) -> None:
        """End and remove everything of this project, whatever state it is in."""
        label = f"label=io.podman.compose.project={self.project}"
        # One at a time and with those that need it: podman-compose makes containers depend on each other.
        while left := self.podman.containers(label):
            self.podman(
                "rm", "--force", "--depend", "--volumes", "--time=10", str(left[0]["Names"][0]), timeout=300
            )
        for kind in ("volume", "network"):
            listed = self.podman(kind, "ls", "--quiet", "--filter", label).split()
            if listed:
                self.podman(kind, "rm", "--force", *listed, timeout=60)


@dataclass(frozen=True)
class Behind(System):
    """The system as people reach it: everything behind the gateway."""

    stack: Stack | None = None

    def create_user(self, name: str, *, staff: bool = False, more: Sequence[str] = ()) -> None:
        """Make an account the way an operator of the compose file does."""
        assert self.stack is not None
        options = [*(["--staff", "--permission", "view_all_dicomresult"] if staff else []), *more]
        self.stack.podman(
            *("exec", "--interactive", self.stack.name("auth")),
            *("python", "-m", "services.auth", "create-user", name, *options),
            input=f"{PASSWORD}\n".encode(),
        )

    def outputs(self) -> list[str]:
        """What each container said."""
        assert self.stack is not None
        return [self.stack.podman.logs(str(one["Names"][0]), 5000) for one in self.stack.containers()]


def behind_gateway(stack: Stack) -> Behind:
    """The end-to-end tests' view of a stack."""
    volume = stack.podman.inspect(f"{stack.project}_objects")[0]
    url = f"https://localhost:{stack.port}"

    def database_url(role: str) -> str:
        raise PodmanError(f"the database of {role} is not reachable from outside")

    return Behind(
        urls=dict.fromkeys(("auth", "ingest", "results", "portal"), url),
        processes={},
        data_dir=Path(volume["Mountpoint"]),
        database_url=database_url,
        tls=stack.tls,
        stack=stack,
    )
