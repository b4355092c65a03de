"""Certificates for tests: an authority of one's own and what it signs, in files as a container has them."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from infra.certificates import LEAF_LIFE, Authority

NAMES = ("localhost", "127.0.0.1")


@dataclass(frozen=True)
class Files:
    """Paths of one host's files."""

    folder: Path

    @property
    def certificate(self) -> Path:
        """The certificate."""
        return self.folder / "tls.crt"

    @property
    def key(self) -> Path:
        """Its private key."""
        return self.folder / "tls.key"

    @property
    def environment(self) -> dict[str, str]:
        """The settings of a process that serves with them."""
        return {"TLS_CERT_FILE": str(self.certificate), "TLS_KEY_FILE": str(self.key)}


@dataclass(frozen=True)
class Certificates:
    """An authority; its certificate lies at `ca_file`."""

    folder: Path
    authority: Authority = field(default_factory=lambda: Authority.create(datetime.now(UTC)))

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.authority.write(self.folder)

    @property
    def ca_file(self) -> Path:
        """What clients trust."""
        return self.folder / "ca.crt"

    def issue(
        self,
        folder: Path,
        names: Sequence[str] = NAMES,
        *,
        start: datetime | None = None,
        life: timedelta = LEAF_LIFE,
    ) -> Files:
        """Make, or replace, the files of a host with these names."""
        folder.mkdir(parents=True, exist_ok=True)
        files = Files(folder)
        certificate, key = self.authority.issue(names, start or datetime.now(UTC), life)
        for path, content in ((files.key, key), (files.certificate, certificate)):
            draft = path.with_suffix(".new")
            draft.write_bytes(content)
            draft.chmod(0o600)
            draft.replace(path)
        return files

    def client(self) -> ssl.SSLContext:
        """Trusts this authority only."""
        return ssl.create_default_context(cafile=self.ca_file)
