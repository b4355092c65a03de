"""A PostgreSQL that takes TLS only: Debian's, since the embedded one is built without it.

It listens on 127.0.0.1 with the network's rules of a deployment: hostssl and scram-sha-256, nothing else.
"""

from __future__ import annotations

import os
import pwd
import subprocess
import time
from pathlib import Path
from typing import Self

from libs.postgresql.embedded import mapped_user
from tests.certificates import Files
from tests.ports import free_ports

ROOT = Path("/usr/lib/postgresql")
SUPERUSER, PASSWORD = "postgres", "dicom-tests-only"
START_TIMEOUT = 60.0
DATABASE = "bddicomimage"
_RULES = "hostssl all all 127.0.0.1/32 scram-sha-256\n"


class TlsPostgres:
    """The server on `folder`; use as a context manager, from the main thread."""

    def __init__(self, folder: Path, tls: Files) -> None:
        """`folder` is private and empty; `tls` is what the server shows."""
        self._folder = folder
        self._tls = tls
        (self.port,) = free_ports(1)
        self._process: subprocess.Popen[bytes] | None = None

    def url(self, user: str = SUPERUSER, options: str = "?sslmode=verify-full") -> str:
        """postgresql:// URL as the superuser or a service's role, all with PASSWORD."""
        return f"postgresql://{user}:{PASSWORD}@127.0.0.1:{self.port}/{DATABASE}{options}"

    def __enter__(self) -> Self:
        cluster, password = self._folder / "cluster", self._folder / "password"
        password.write_text(PASSWORD)
        self._run(
            "initdb",
            "-D",
            str(cluster),
            "-U",
            SUPERUSER,
            "--pwfile",
            str(password),
            "-A",
            "scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
            "--no-instructions",
        )
        (cluster / "pg_hba.conf").write_text(_RULES)
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "ssl": "on",
            "ssl_cert_file": str(self._tls.certificate),
            "ssl_key_file": str(self._tls.key),
            "fsync": "off",
            "shared_buffers": "32MB",
        }
        server = [*_wrapper(), "setpriv", "--pdeathsig", "KILL", str(binary("postgres")), "-D", str(cluster)]
        for name, value in settings.items():
            server += ["-c", f"{name}={value}"]
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                server, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        self._wait(cluster / "postmaster.pid")
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run([*_wrapper(), str(binary(program)), *arguments], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    def _wait(self, status: Path) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        while not (status.exists() and "ready" in status.read_text()):
            assert self._process is not None
            assert self._process.poll() is None, (self._folder / "log").read_text()
            assert time.monotonic() < deadline, (self._folder / "log").read_text()
            time.sleep(0.02)


def binary(name: str) -> Path:
    """The newest of Debian's programs of this name."""
    found = sorted(ROOT.glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]))
    assert found, "The tests need a PostgreSQL with TLS: `apt-get install postgresql` (as root)."
    return found[-1]


def _wrapper() -> list[str]:
    """PostgreSQL refuses to run as root."""
    user = mapped_user(entry.pw_uid for entry in pwd.getpwall())
    return [] if os.geteuid() else ["unshare", "--user", f"--map-user={user}", "--map-group=1000"]
