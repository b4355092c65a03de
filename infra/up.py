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
from dataclasses import replace
from http import HTTPStatus
from http.client import HTTPException, HTTPSConnection
from pathlib import Path

from infra import certificates, deployment_environment, deployment_secrets, ohif_viewer
from infra.engine import ENVIRONMENT_FILE, Asks, Engine, find_engine
from libs.common.disk_encryption import Kernel
from libs.common.errors import ConfigurationError
from services.operator import age

READY_SECONDS = 300.0
POLL_SECONDS = 1.0
ASK_SECONDS = 15.0
READY = ("python", "-m", "libs.common.http.probe", "/readyz")
CHECKS: Mapping[str, Sequence[str]] = {
    **dict.fromkeys(("auth", "ingest", "dimse", "results", "portal", "processor"), READY),
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
PARTS: Mapping[str, Sequence[str]] = {
    ohif_viewer.PROFILE: ("ohif",),
    "tracing": ("otel-collector", "jaeger"),
}
"""Containers by profile, of those that come and go as each `make up` says."""
LOOPBACK, DIMSE = "127.0.0.1", 11112
"""Where modalities reach `dimse`, unless chosen otherwise."""
PAGES: Mapping[str, Sequence[str]] = {
    "GATEWAY_PORT": ("/livez", "/", "/api/auth/jwks.json"),
    "GRAFANA_PORT": ("/api/health",),
    "OHIF_PORT": ("/app-config.js", "/"),
}
"""What is asked from outside; of each port the first tells whether it is ours already."""


def main(arguments: Sequence[str]) -> int:
    """Start everything and wait for it. Returns the exit code; what stops it is one sentence."""
    parser = argparse.ArgumentParser(prog="make up", description="Start everything in containers.")
    parser.add_argument("--mongodb", action="store_true", help="keep objects in MongoDB (first start only)")
    parser.add_argument("--tracing", action="store_true", help="with OpenTelemetry collector and Jaeger")
    parser.add_argument("--ohif", action="store_true", help="with OHIF, a viewer on an origin of its own")
    parser.add_argument("--no-build", action="store_true", help="use the images that are there")
    options = parser.parse_args(arguments)
    try:
        engine = find_engine()
        engine.require_parts()
        if options.ohif:
            ohif_viewer.fetch()
        before = deployment_environment.read(ENVIRONMENT_FILE)
        values = prepare(engine, mongodb=options.mongodb, tracing=options.tracing, ohif=options.ohif)
        # Made of what a site says and of what runs beside it.
        engine = replace(
            engine, settings={name: values.get(name, "") for name in ("VIEWERS", "CORS_ORIGINS")}
        )
        gone = deployment_environment.profiles_of(before) - deployment_environment.profiles_of(values)
        for part in gone & PARTS.keys():
            engine.remove(part, PARTS[part])
        published = {**PORTS, **({"OHIF_PORT": ohif_viewer.PORT} if options.ohif else {})}
        ports = {name: int(values.get(name, default)) for name, default in published.items()}
        check_ports(values, before, ports)
        if not options.no_build:
            engine.run("build")
        engine.start()
        wait_until_ready(engine, ports)
        end_shared_account(engine, deployment_secrets.FOLDER)
        if options.ohif:
            ohif_viewer.register(engine, values[ohif_viewer.URL])
        elif ohif_viewer.URL in values:
            ohif_viewer.unregister(engine)
            del values[ohif_viewer.URL]
            deployment_environment.write(ENVIRONMENT_FILE, values)
    except ConfigurationError as error:
        sys.stderr.write(f"{error.detail}\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"{error.filename or 'A file'}: {error.strerror or error}\n")
        return 1
    tell(engine, values)
    return 0


def prepare(engine: Engine, *, mongodb: bool, tracing: bool, ohif: bool = False) -> dict[str, str]:
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
    parts = (("mongodb", in_mongodb), ("tracing", tracing), ("ohif", ohif))
    profiles = {name for name, wanted in parts if wanted}
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


def check_ports(values: Mapping[str, str], before: Mapping[str, str], ports: Mapping[str, int]) -> None:
    """See that what is to be published can be; what runs already has its own. Raises ConfigurationError."""
    address = values.get("GATEWAY_ADDRESS", "0.0.0.0")  # noqa: S104 - the gateway is meant to be reached
    for name, port in ports.items():
        if not Gateway(port).answers(PAGES[name][0])[0]:
            check_port(address, port, name)
    port, former = (int(given.get("DIMSE_PORT", DIMSE)) for given in (values, before))
    gateway = Gateway(int(before.get("GATEWAY_PORT", PORTS["GATEWAY_PORT"])))
    if port != former or not gateway.answers(PAGES["GATEWAY_PORT"][0])[0]:
        check_port(values.get("DIMSE_ADDRESS", LOOPBACK), port, "DIMSE_PORT")


def check_port(address: str, port: int, variable: str) -> None:
    """See that the port can be had that `variable` chooses. Raises ConfigurationError."""
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
            other = "DIMSE_ADDRESS" if variable == "DIMSE_PORT" else "GATEWAY_ADDRESS"
            raise ConfigurationError(
                f"Port {port} of {address} cannot be had ({error.strerror}): set {variable} or {other}."
            ) from error


class Gateway:
    """A published port, as somebody on this machine reaches it."""

    def __init__(self, port: int) -> None:
        """The CA is the deployment's own."""
        self.port = port
        self._context = ssl.create_default_context(cafile=certificates.FOLDER / "ca" / "ca.crt")

    def answers(self, path: str) -> tuple[bool, str]:
        """Whether GET `path` gives 200, and what else it gave."""
        connection = HTTPSConnection("localhost", self.port, timeout=ASK_SECONDS, context=self._context)
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
    viewer = ""
    if ohif_viewer.URL in values:
        viewer = f"\n  OHIF      {values[ohif_viewer.URL]}/, and from the page of each study"
    sys.stdout.write(
        f"""Ready: https://{host}:{port}/
  trust     {certificates.FOLDER}/ca/ca.crt (import it into the browser; curl --cacert)
  sign in   {values.get("ADMIN_USERNAME", "admin")}, with the password in {secrets}/admin_password
  Grafana   {grafana} as admin, with the password in {secrets}/grafana_admin_password{viewer}
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
