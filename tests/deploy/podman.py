"""Podman as a command, with a configuration of this run's own instead of the machine's."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BIN = Path(__file__).parent / "bin"
"""Holds a `podman` that knows health checks where the real one needs systemd for them."""


class PodmanError(AssertionError):
    """A command failed; the message holds what it said."""


def configuration() -> str:
    """containers.conf for this machine: limits it can give, and no systemd where none runs."""

    def limit(kind: int, wanted: int) -> str:
        hard = resource.getrlimit(kind)[1]
        possible = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        # Both the same: `kube play` of podman 4.3 takes one for the other.
        return f"{possible}:{possible}"

    lines = [
        "[containers]",
        f'default_ulimits = ["nofile={limit(resource.RLIMIT_NOFILE, 65536)}",'
        f' "nproc={limit(resource.RLIMIT_NPROC, 4096)}"]',
        "[engine]",
        # crun 1.8 of Debian 12 does not start containers under cgroups v1.
        'runtime = "runc"',
        'events_logger = "file"',
    ]
    if not Path("/run/systemd/private").exists():
        lines.append('cgroup_manager = "cgroupfs"')
    return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class Podman:
    """The command and its environment."""

    environment: Mapping[str, str]

    @classmethod
    def configured(cls, folder: Path) -> Podman:
        """With a containers.conf in `folder`."""
        file = folder / "containers.conf"
        file.write_text(configuration())
        real = shutil.which("podman")
        assert real is not None, "podman is missing: infra/machine/deploy-tools.sh installs it"
        return cls(
            {
                **os.environ,
                "CONTAINERS_CONF": str(file),
                "REAL_PODMAN": real,
                # Beside Python: podman-compose.
                "PATH": f"{BIN}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            }
        )

    def __call__(self, *arguments: str, timeout: float = 60.0, input: bytes | None = None) -> str:
        """Run `podman ARGUMENTS` and return its output. Raises PodmanError."""
        return self.command(["podman", *arguments], timeout=timeout, input=input)

    def command(
        self,
        arguments: Sequence[str],
        *,
        timeout: float,
        input: bytes | None = None,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> str:
        """Run any program in this environment. Raises PodmanError with the end of what it said."""
        try:
            done = subprocess.run(
                arguments,
                env={**self.environment, **(environment or {})},
                cwd=folder,
                input=input,
                stdin=subprocess.DEVNULL if input is None else None,
                capture_output=True,
                timeout=timeout,
            )
        except subprocess.TimeoutExpired as error:
            said = b"".join(part or b"" for part in (error.stdout, error.stderr))
            raise PodmanError(f"{' '.join(arguments)} took longer than {timeout:g} s: {_end(said)}") from None
        if done.returncode != 0:
            raise PodmanError(
                f"{' '.join(arguments)} ended with {done.returncode}:\n{_end(done.stdout + done.stderr)}"
            )
        return done.stdout.decode(errors="replace")

    def inspect(self, *names: str) -> list[dict[str, Any]]:
        """What podman knows about containers or images; empty when one is missing."""
        try:
            found: list[dict[str, Any]] = json.loads(self("inspect", *names))
        except PodmanError:
            return []
        return found

    def containers(self, *filters: str) -> list[dict[str, Any]]:
        """`podman ps --all` with filters such as `label=…`."""
        arguments = [part for given in filters for part in ("--filter", given)]
        listed: list[dict[str, Any]] = json.loads(self("ps", "--all", "--format", "json", *arguments))
        return listed

    def logs(self, name: str, lines: int = 60) -> str:
        """The end of what a container said, on both its outputs."""
        done = subprocess.run(
            ["podman", "logs", "--tail", str(lines), name],
            env=dict(self.environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=60,
        )
        return done.stdout.decode(errors="replace")


def _end(output: bytes) -> str:
    return output.decode(errors="replace")[-6000:]
