"""The program that runs infra/compose.yml: docker compose, or podman-compose."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from libs.common import podman
from libs.common.errors import ConfigurationError

FILE = Path(__file__).parent / "compose.yml"
OVERRIDE = FILE.with_name("compose.override.yml")
"""A site's own changes: compose reads it only where no file is named, so it is named here."""
ENVIRONMENT_FILE = FILE.with_name(".env")
"""Read by both programs whenever they work on FILE."""


class Asks(Protocol):
    """What runs a command in a container."""

    def ask(self, *arguments: str, timeout: float) -> tuple[bool, str]:
        """Whether it succeeded within `timeout` seconds, and what it said."""


@dataclass(frozen=True)
class Engine:
    """`command` as it is typed, e.g. ("docker", "compose")."""

    command: tuple[str, ...]
    settings: Mapping[str, str] = field(default_factory=dict)
    """Variables of the file that go before what its caller's environment says."""

    @property
    def is_podman(self) -> bool:
        """Whether containers belong to Podman, without a daemon of root's."""
        return any(word.endswith("podman-compose") for word in self.command)

    @property
    def shown(self) -> str:
        """What people type."""
        return " ".join((*self.command, *(f"-f {file.relative_to(FILE.parent.parent)}" for file in _files())))

    def require_parts(self) -> None:
        """See that the engine has what it calls, before anything is made. Raises ConfigurationError."""
        if self.is_podman and (lacks := podman.missing()):
            raise ConfigurationError("\n".join(lack.sentence for lack in lacks))

    def volume_folder(self) -> Path | None:
        """Where named volumes lie on this machine; None where that cannot be said."""
        question = (
            ("podman", "info", "--format", "{{.Store.VolumePath}}")
            if self.is_podman
            else ("docker", "info", "--format", "{{.DockerRootDir}}/volumes")
        )
        try:
            done = subprocess.run(question, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603
        except OSError:
            return None
        folder = Path(done.stdout.strip())
        # Docker Desktop keeps them in a virtual machine.
        return folder if done.returncode == 0 and folder.is_absolute() and folder.exists() else None

    def start(self) -> None:
        """Start what the file says, and replace what has changed. Raises ConfigurationError."""
        # podman-compose would take every container for an orphan, and wait for them afterwards without end.
        self.run("up", "--detach", *(() if self.is_podman else ("--remove-orphans",)))

    def remove(self, profile: str, services: Sequence[str]) -> None:
        """End the containers of a part that is wanted no more. Raises ConfigurationError."""
        words = ("down",) if self.is_podman else ("rm", "--stop", "--force")
        self.run("--profile", profile, *words, *services)

    def run(self, *arguments: str) -> None:
        """Run with its output shown. Raises ConfigurationError when it fails."""
        done = subprocess.run(self._line(arguments), env=self._environment(), check=False)  # noqa: S603
        if done.returncode != 0:
            raise ConfigurationError(
                f"`{self.shown} {' '.join(arguments)}` failed ({done.returncode}): its own words are above."
            )

    def ask(self, *arguments: str, timeout: float) -> tuple[bool, str]:
        """Run quietly; whether it succeeded within `timeout` seconds, and what it said."""
        try:
            done = subprocess.run(  # noqa: S603
                self._line(arguments),
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                timeout=timeout,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return False, f"no answer within {timeout:g} s"
        return done.returncode == 0, done.stdout.strip()

    def _line(self, arguments: Sequence[str]) -> list[str]:
        return [*self.command, *(word for file in _files() for word in ("-f", str(file))), *arguments]

    def _environment(self) -> dict[str, str]:
        # Podman's own image format has no health checks.
        return {**os.environ, **self.settings, **({"BUILDAH_FORMAT": "docker"} if self.is_podman else {})}


def find_engine(environment: Mapping[str, str] = os.environ) -> Engine:
    """COMPOSE if it is set, else docker compose, else podman-compose. Raises ConfigurationError."""
    if given := environment.get("COMPOSE"):
        return Engine(tuple(given.split()))
    found = []
    if shutil.which("docker"):
        if _works("docker", "compose", "version") and _works("docker", "info"):
            return Engine(("docker", "compose"))
        found.append("docker is here, but its compose plugin or its daemon is not")
    if shutil.which("podman-compose"):
        if shutil.which("podman"):
            return Engine(("podman-compose",))
        found.append("podman-compose is here, but podman is not")
    raise ConfigurationError(
        "Install Docker with its compose plugin, or podman and podman-compose, or set COMPOSE to the command"
        f"{''.join(f' ({reason})' for reason in found)}."
    )


def _files() -> tuple[Path, ...]:
    return (FILE, OVERRIDE) if OVERRIDE.exists() else (FILE,)


def _works(*command: str) -> bool:
    done = subprocess.run(command, capture_output=True, timeout=60, check=False)  # noqa: S603
    return done.returncode == 0
