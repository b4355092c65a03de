"""infra/.env: what this deployment's compose file is filled in with; `docker compose` reads it, too."""

from __future__ import annotations

import os
import subprocess
import tomllib
from collections.abc import Mapping
from pathlib import Path

from infra import ohif_viewer

KEPT = (
    "ADMIN_USERNAME",
    "BACKUP_RECIPIENTS",
    "BASE_IMAGE",
    "CORS_ORIGINS",
    "DIMSE_ADDRESS",
    "DIMSE_AE_TITLE",
    "DIMSE_PLAINTEXT",
    "DIMSE_PORT",
    "DOWNLOADS_PER_OWNER",
    "GATEWAY_ADDRESS",
    "GATEWAY_HOST",
    "GATEWAY_PORT",
    "GRAFANA_HOST",
    "GRAFANA_PORT",
    "MAX_FILE_BYTES",
    "MAX_REQUEST_BYTES",
    "OHIF_PORT",
    "OTEL_TRACES_SAMPLER_ARG",
    "PIP_INDEX_URL",
    "PROCESSOR_CPUS",
    "PROCESSOR_MEMORY",
    "PROCESSOR_SLOTS",
    "STREAMS_PER_OWNER",
    "TRACED_CALLERS",
    "TRANSFER_MIN_RATE",
    "UPLOADS_PER_OWNER",
    "UPLOAD_BYTES_PER_OWNER",
    "UV_DEFAULT_INDEX",
    "VIEWERS",
)
"""Given to `make up` once, they hold until they are given again."""
CONTAINER_GROUP = 10001
TRACING = {"OTEL_EXPORTER_OTLP_ENDPOINT": "https://otel-collector:4318"}


def read(path: Path) -> dict[str, str]:
    """The file's variables; none when it is missing."""
    try:
        lines = path.read_text().splitlines()
    except FileNotFoundError:
        return {}
    pairs = (line.split("=", 1) for line in lines if "=" in line and not line.lstrip().startswith("#"))
    return {name.strip(): value.strip() for name, value in pairs}


def write(path: Path, values: Mapping[str, str]) -> None:
    """Replace the file. It holds no secret."""
    draft = path.with_name(f"{path.name}.new")
    text = "# Kept by `make up`; lines of your own stay.\n"
    draft.write_text(text + "".join(f"{name}={value}\n" for name, value in sorted(values.items())))
    draft.replace(path)


def updated(
    before: Mapping[str, str], environment: Mapping[str, str], profiles: set[str], group: int
) -> dict[str, str]:
    """What the file should hold: what it held, what the environment now says, and what follows from it."""
    given = {name: environment[name] for name in KEPT if environment.get(name)}
    values = {**before, **given, "SECRETS_GID": str(group), **build_facts()}
    values["GRAFANA_URL"] = grafana_url(values)
    values["COMPOSE_PROFILES"] = ",".join(sorted(profiles))
    for name, value in TRACING.items():
        if "tracing" in profiles:
            values.setdefault(name, value)
        elif values.get(name) == value:
            del values[name]
    former = before.get(ohif_viewer.URL, ohif_viewer.url(before))
    return ohif_viewer.led_to(values, former, wanted=ohif_viewer.PROFILE in profiles)


def profiles_of(values: Mapping[str, str]) -> set[str]:
    """Parts beside the system itself that these variables start."""
    return set(filter(None, values.get("COMPOSE_PROFILES", "").split(",")))


def grafana_url(values: Mapping[str, str]) -> str:
    """Where people find Grafana: at the name that is its own, else at the port that is."""
    host = values.get("GATEWAY_HOST", "localhost")
    if (own := values.get("GRAFANA_HOST", host)) != host:
        return f"https://{own}:{values.get('GATEWAY_PORT', '8443')}/"
    return f"https://{host}:{values.get('GRAFANA_PORT', '8444')}/"


def build_facts() -> dict[str, str]:
    """Version, revision and its date: they become the images' names and labels."""
    project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
    return {
        "DICOM_VERSION": project["version"],
        "DICOM_REVISION": _git("rev-parse", "HEAD") or "unknown",
        "DICOM_CREATED": _git("log", "-1", "--format=%cI") or "1970-01-01T00:00:00Z",
    }


def group_of_secrets(*, podman: bool) -> int:
    """Group that containers need to read this user's files.

    Root shares them with the containers' own group; somebody else has only a group of their own, which
    rootless Podman calls 0 inside.
    """
    if os.geteuid() == 0:
        return CONTAINER_GROUP
    return 0 if podman else os.getegid()


def share(folder: Path, group: int) -> None:
    """As root: let `group` in, by the modes that the files have."""
    for path in (folder, *folder.rglob("*")):
        os.chown(path, -1, group)


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603
            ["git", *arguments],  # noqa: S607
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
