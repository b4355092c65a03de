"""`python -m infra.up`: start infra/compose.yml, with everything that it needs made on the way.

May be run again at any time: what exists is kept, what has changed is replaced.
"""

from __future__ import annotations

import argparse
import errno
import os
import socket
import ssl
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from http.client import HTTPException, HTTPSConnection
from pathlib import Path
from typing import Protocol

from infra import certificates, deployment_environment, deployment_secrets
from infra.engine import ENVIRONMENT_FILE, Engine, find_engine
from libs.common.disk_encryption import Kernel
from libs.common.errors import ConfigurationError
from services.operator import age

READY_SECONDS = 300.0
POLL_SECONDS = 1.0
ASK_SECONDS = 15.0
READY = ("python", "-m", "libs.common.http.probe", "/readyz")
CHECKS: Mapping[str, Sequence[str]] = {
    **dict.fromkeys(("auth", "ingest", "results", "portal", "processor"), READY),
    "prometheus": (
        "promtool", "check", "healthy", "--url=https://localhost:9090",
        "--http.config.file=/etc/prometheus/client.yml",
    ),
    "alertmanager": (
        "amtool", "--alertmanager.url=https://localhost:9093",
        "--http.config.file=/etc/prometheus/client.yml", "alert", "query",
    ),
}  # fmt: skip
"""What each container is asked; the others are asked by those that need them."""
PORTS: Mapping[str, int] = {"GATEWAY_PORT": 8443, "GRAFANA_PORT": 8444}
"""What the gateway publishes, unless chosen otherwise."""
PAGES: Mapping[str, Sequence[str]] = {
    "GATEWAY_PORT": ("/livez", "/", "/api/auth/jwks.json"),
    "GRAFANA_PORT": ("/api/health",),
}
"""What the gateway is asked, from outside; of each port the first tells whether it is ours already."""


def main(arguments: Sequence[str]) -> int:
    """Start everything and wait for it. Returns the exit code; what stops it is one sentence."""
    parser = argparse.ArgumentParser(prog="make up", description="Start everything in containers.")
    parser.add_argument("--mongodb", action="store_true", help="keep objects in MongoDB (first start only)")
    parser.add_argument("--tracing", action="store_true", help="with OpenTelemetry collector and Jaeger")
    parser.add_argument("--no-build", action="store_true", help="use the images that are there")
    options = parser.parse_args(arguments)
    try:
        engine = find_engine()
        engine.require_parts()
        values = prepare(engine, mongodb=options.mongodb, tracing=options.tracing)
        ports = {name: int(values.get(name, default)) for name, default in PORTS.items()}
        address = values.get("GATEWAY_ADDRESS", "0.0.0.0")  # noqa: S104 - the gateway is meant to be reached
        for name, port in ports.items():
            if not Gateway(port).answers(PAGES[name][0])[0]:
                check_port(address, port, name)
        if not options.no_build:
            engine.run("build")
        engine.run("up", "--detach", "--remove-orphans")
        wait_until_ready(engine, ports)
        end_shared_account(engine, deployment_secrets.FOLDER)
    except ConfigurationError as error:
        sys.stderr.write(f"{error.detail}\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"{error.filename or 'A file'}: {error.strerror or error}\n")
        return 1
    tell(engine, values)
    return 0


def prepare(engine: Engine, *, mongodb: bool, tracing: bool) -> dict[str, str]:
    """Make secrets, certificates and infra/.env where they are missing; returns what the last one holds.

    Raises ConfigurationError and OSError.
    """
    before = deployment_environment.read(ENVIRONMENT_FILE)
    environment = {**before, **{name: value for name, value in os.environ.items() if value}}
    group = deployment_environment.group_of_secrets(podman=engine.is_podman)
    say("secrets", deployment_secrets.make(deployment_secrets.FOLDER, mongodb=mongodb))
    in_mongodb = deployment_secrets.uses_mongodb(deployment_secrets.FOLDER)
    if mongodb and not in_mongodb:
        raise ConfigurationError(
            "This deployment keeps its objects in the volume `objects`, and they do not move by themselves: "
            f"start without --mongodb, or, if there are none, delete {deployment_secrets.FOLDER}/storage_url."
        )
    if not environment.get("BACKUP_RECIPIENTS"):
        before["BACKUP_RECIPIENTS"] = own_backup_key(deployment_secrets.FOLDER.parent)
    say("certificates", certificates.make(certificates.FOLDER, environment=environment))
    if os.geteuid() == 0:
        for folder in (deployment_secrets.FOLDER, certificates.FOLDER):
            deployment_environment.share(folder, group)
    profiles = {name for name, wanted in (("mongodb", in_mongodb), ("tracing", tracing)) if wanted}
    values = deployment_environment.updated(before, os.environ, profiles, group)
    values["RABBITMQ_DEFINITIONS"] = deployment_secrets.definitions_digest(deployment_secrets.FOLDER)
    deployment_environment.write(ENVIRONMENT_FILE, values)
    return values


def own_backup_key(folder: Path) -> str:
    """The public half of this deployment's key for backups, made where there is none.

    Raises ConfigurationError, OSError.
    """
    path = folder / deployment_secrets.BACKUP_IDENTITY
    if path.exists():
        return age.AgeIdentities(path).public[0]
    say("the key of backups", [str(path)])
    return age.create_identity(path)


def check_port(address: str, port: int, variable: str) -> None:
    """See that the gateway can have the port that `variable` chooses. Raises ConfigurationError."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise ConfigurationError(
                    f"Port {port} is in use: stop the program that has it, or choose another, which is "
                    f"remembered: make up {variable}={port + 1000}"
                ) from error
            raise ConfigurationError(
                f"The gateway cannot have port {port} of {address} ({error.strerror}): set {variable} or "
                "GATEWAY_ADDRESS."
            ) from error


class Gateway:
    """A published port, as somebody on this machine reaches it."""

    def __init__(self, port: int) -> None:
        """The CA is the deployment's own."""
        self._port = port
        self._context = ssl.create_default_context(cafile=certificates.FOLDER / "ca" / "ca.crt")

    def answers(self, path: str) -> tuple[bool, str]:
        """Whether GET `path` gives 200, and what else it gave."""
        connection = HTTPSConnection("localhost", self._port, timeout=ASK_SECONDS, context=self._context)
        try:
            connection.request("GET", path)
            status = connection.getresponse().status
        except (OSError, HTTPException) as error:
            return False, str(error) or type(error).__name__
        finally:
            connection.close()
        return status == HTTPStatus.OK, f"status {status}"


def wait_until_ready(engine: Engine, ports: Mapping[str, int], seconds: float = READY_SECONDS) -> None:
    """Ask until everybody has said once that they are ready. Raises ConfigurationError after `seconds`."""
    checks: dict[str, Callable[[], tuple[bool, str]]] = {}
    for service, command in CHECKS.items():
        checks[service] = lambda service=service, command=command: engine.ask(  # type: ignore[misc]
            "exec", "-T", service, *command, timeout=ASK_SECONDS
        )
    for name, port in ports.items():
        gateway = Gateway(port)
        for path in PAGES[name]:
            checks[f"gateway :{port}{path}"] = lambda gateway=gateway, path=path: gateway.answers(path)  # type: ignore[misc]
    deadline = time.monotonic() + seconds
    sys.stdout.write("Waiting until everything is ready …\n")
    sys.stdout.flush()
    while True:
        said = {name: answer for name, check in checks.items() if not (answer := check())[0]}
        checks = {name: checks[name] for name in said}
        if not checks:
            return
        if time.monotonic() > deadline:
            listed = "\n".join(f"  {name}: {answer[-300:]}" for name, (_, answer) in said.items())
            raise ConfigurationError(
                f"Not ready within {seconds:g} s; it goes on starting. Look with `{engine.shown} ps` and "
                f"`{engine.shown} logs NAME`:\n{listed}"
            )
        time.sleep(POLL_SECONDS)


class Asks(Protocol):
    """What runs a command in a container."""

    def ask(self, *arguments: str, timeout: float) -> tuple[bool, str]:
        """Whether it succeeded within `timeout` seconds, and what it said."""


def end_shared_account(engine: Asks, secrets: Path) -> None:
    """Once every service has its own: the RabbitMQ user that those of earlier releases shared.

    Raises ConfigurationError and OSError.
    """
    held = [secrets / name for name in deployment_secrets.SHARED_ACCOUNT if (secrets / name).exists()]
    if not held:
        return
    done, said = engine.ask(
        "exec", "-T", "rabbitmq", "rabbitmqctl", "--quiet", "delete_user", "dicom", timeout=ASK_SECONDS
    )
    if not done and "no_such_user" not in said and "does not exist" not in said:
        raise ConfigurationError(
            f"RabbitMQ does not end the user `dicom` of earlier releases; run `make up` again: {said[-300:]}"
        )
    for file in held:
        file.unlink()
    sys.stdout.write("Ended RabbitMQ's user `dicom`: each service has an account of its own.\n")


def say(what: str, made: Sequence[str]) -> None:
    """One line about new files; never what is in them."""
    if made:
        sys.stdout.write(f"Made {what}: {', '.join(made)}\n")


def tell(engine: Engine, values: Mapping[str, str]) -> None:
    """Where it is, whom to trust, how to sign in."""
    host, port = values.get("GATEWAY_HOST", "localhost"), values.get("GATEWAY_PORT", "8443")
    secrets: Path = deployment_secrets.FOLDER
    identity = secrets.parent / deployment_secrets.BACKUP_IDENTITY
    backups = f"are encrypted for {values.get('BACKUP_RECIPIENTS')}" + (
        f";\n            move {identity}, which opens them, to another place" if identity.exists() else ""
    )
    grafana = deployment_environment.grafana_url(values)
    sys.stdout.write(
        f"""Ready: https://{host}:{port}/
  trust     {certificates.FOLDER}/ca/ca.crt (import it into the browser; curl --cacert)
  sign in   {values.get("ADMIN_USERNAME", "admin")}, with the password in {secrets}/admin_password
  Grafana   {grafana} as admin, with the password in {secrets}/grafana_admin_password
  keep      a copy of {secrets}/keyring.json and auth_keyring.json in another place: without the first no
            stored file can be read, without the second the audit log cannot be proved
  backups   {backups}
  volumes   {disks(engine)}
  more      {engine.shown} up --detach --scale processor=4
            make down
"""
    )


def disks(engine: Engine) -> str:
    """Whether the volumes lie on an encrypted disk: PostgreSQL's holds names and headers in clear."""
    folder = engine.volume_folder()
    if folder is None:
        return "cannot tell whether their disk is encrypted (docs/operations.md, Encrypted volumes)"
    found = Kernel().encryption(folder)
    match found.kind:
        case "encrypted":
            return f"are on an encrypted disk: {found.told}"
        case "clear":
            return (
                f"{folder}: {found.told}; PostgreSQL\n"
                "            holds names and headers in clear (docs/operations.md, Encrypted volumes)"
            )
        case "unknown":
            return f"cannot tell whether {folder} is encrypted: {found.told}"


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
