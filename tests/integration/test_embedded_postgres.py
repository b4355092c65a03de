"""The embedded server: its life is its parent's, its data outlive every kind of death."""

from __future__ import annotations

import asyncio
import os
import pwd
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import pytest

from libs.common.errors import ConfigurationError
from libs.postgresql import folder
from libs.postgresql.embedded import EmbeddedPostgres, mapped_user
from tests.fixtures_postgres import run_apart
from tests.waiting import PATIENCE, wait_until

ROOT = Path(__file__).parents[2]

# Starts the server, says so, and stays until it is told or killed.
OWNER = """
import sys
from pathlib import Path
from libs.common.errors import ConfigurationError
from libs.postgresql.embedded import EmbeddedPostgres

try:
    with EmbeddedPostgres(Path(sys.argv[1])) as server:
        print(server.pid, server.url("postgres"), flush=True)
        sys.stdin.read()
except ConfigurationError as error:
    sys.exit(error.detail)
"""


@contextmanager
def owner(data_dir: Path) -> Iterator[tuple[subprocess.Popen[str], int, str]]:
    """A process that owns a server: the process, the server's pid and URL."""
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, str(data_dir)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as process:
        assert process.stdout is not None
        pid, _, url = process.stdout.readline().strip().partition(" ")
        try:
            yield process, int(pid), url
        finally:
            process.kill()


def fetch(url: str, *statements: str) -> object:
    """Run statements; the value of the last one."""

    async def run() -> object:
        connection = await asyncpg.connect(url)
        try:
            return [await connection.fetchval(statement) for statement in statements][-1]
        finally:
            await connection.close()

    return run_apart(run())


def running(pid: int) -> bool:
    """Whether the process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_later_start_finds_the_data(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir) as server:
        fetch(server.url("postgres"), "CREATE TABLE kept AS SELECT 42 AS n")
    with EmbeddedPostgres(data_dir) as server:
        assert fetch(server.url("postgres"), "SELECT n FROM kept") == 42
        assert fetch(server.url("postgres"), "SHOW fsync") == "on"


def test_nothing_is_open_to_other_users(tmp_path: Path) -> None:
    data_dir = tmp_path / "deep" / ("d" * 100) / "var"
    with EmbeddedPostgres(data_dir) as server:
        assert fetch(server.url("postgres"), "SHOW listen_addresses") == ""
        sockets = folder.socket_folder(data_dir)
        for path in (data_dir, folder.cluster(data_dir), sockets):
            assert stat.S_IMODE(path.stat().st_mode) == 0o700
        assert stat.S_IMODE(folder.log_file(data_dir).stat().st_mode) == 0o600
        assert stat.S_IMODE((sockets / ".s.PGSQL.5432").stat().st_mode) == 0o700
        assert (folder.cluster(data_dir) / "PG_VERSION").stat().st_uid == os.geteuid()
    assert not sockets.exists()


def test_a_stop_leaves_no_process(data_dir: Path) -> None:
    server = EmbeddedPostgres(data_dir)
    server.start()
    pid = server.pid
    server.stop()
    assert not running(pid)
    assert folder.read_status(data_dir) is None
    server.stop()  # once more does no harm


def test_a_killed_owner_takes_its_server_along_and_the_next_start_works(data_dir: Path) -> None:
    with owner(data_dir) as (process, pid, url):
        fetch(url, "CREATE TABLE kept AS SELECT 42 AS n")
        process.send_signal(signal.SIGKILL)
        process.wait()
        # At once: the former server may still be shutting down.
        with EmbeddedPostgres(data_dir) as server:
            assert server.pid != pid
            assert not running(pid)
            assert fetch(server.url("postgres"), "SELECT n FROM kept") == 42


def test_a_killed_owner_leaves_no_process(data_dir: Path) -> None:
    with owner(data_dir) as (process, pid, _):
        assert running(pid)
        process.send_signal(signal.SIGKILL)
        wait_until(lambda: not running(pid))


def test_a_killed_server_recovers(data_dir: Path) -> None:
    server = EmbeddedPostgres(data_dir)
    server.start()
    fetch(server.url("postgres"), "CREATE TABLE kept AS SELECT 42 AS n")
    os.kill(server.pid, signal.SIGKILL)
    server.stop()
    assert folder.read_status(data_dir) is not None  # a postmaster.pid is left
    with server:
        assert fetch(server.url("postgres"), "SELECT n FROM kept") == 42


def test_a_number_that_another_program_bears_now_does_not_stop_the_start(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir):
        text = (folder.cluster(data_dir) / "postmaster.pid").read_text()
    lines = text.splitlines()
    lines[0] = str(os.getpid())
    (folder.cluster(data_dir) / "postmaster.pid").write_text("\n".join(lines) + "\n")
    with EmbeddedPostgres(data_dir) as server:
        assert fetch(server.url("postgres"), "SELECT 1") == 1


def test_a_socket_of_a_killed_server_does_not_stop_the_start(data_dir: Path) -> None:
    sockets = folder.socket_folder(data_dir)
    sockets.mkdir(mode=0o700)
    bound = socket.socket(socket.AF_UNIX)
    bound.bind(str(sockets / ".s.PGSQL.5432"))
    bound.close()
    # Another program of the same user bears the killed server's number.
    with subprocess.Popen(["sleep", "infinity"]) as bearer:
        try:
            (sockets / ".s.PGSQL.5432.lock").write_text(f"{bearer.pid}\n{data_dir}\n1\n5432\n{sockets}\n\n")
            with EmbeddedPostgres(data_dir) as server:
                assert fetch(server.url("postgres"), "SELECT 1") == 1
                os.kill(server.pid, signal.SIGKILL)
        finally:
            bearer.kill()
    assert not sockets.exists()


def test_a_half_made_cluster_is_made_anew(tmp_path: Path) -> None:
    draft = tmp_path / "postgresql.new"
    draft.mkdir()
    (draft / "PG_VERSION").write_text("18\n")
    with EmbeddedPostgres(tmp_path) as server:
        assert fetch(server.url("postgres"), "SELECT 1") == 1


def test_a_second_process_is_refused_in_one_sentence(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir):
        second = subprocess.run(
            [sys.executable, "-c", OWNER, str(data_dir)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            cwd=ROOT,
            check=False,
            timeout=250,
        )
    assert second.returncode == 1
    assert second.stderr.strip() == (
        f"{data_dir} is in use by process {os.getpid()}: stop that one, or set DATA_DIR to another folder."
    )


def test_another_major_version_is_refused(data_dir: Path) -> None:
    (folder.cluster(data_dir) / "PG_VERSION").write_text("12\n")
    with pytest.raises(ConfigurationError, match="written by PostgreSQL 12"):
        EmbeddedPostgres(data_dir).start()


def test_a_server_that_cannot_start_is_explained(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("libs.postgresql.embedded.RETRY_SECONDS", 0.2)
    with pytest.raises(
        ConfigurationError, match=r"does not start: see .*postgresql\.log \(.*FATAL: .*no_such_setting"
    ):
        EmbeddedPostgres(data_dir, {"no_such_setting": "1"}).start()
    # The folder is free again.
    with EmbeddedPostgres(data_dir):
        pass


def test_a_foreign_socket_folder_is_refused(data_dir: Path) -> None:
    sockets = folder.socket_folder(data_dir)
    sockets.symlink_to(data_dir)
    try:
        with pytest.raises(ConfigurationError, match=f"Remove {sockets}"):
            EmbeddedPostgres(data_dir).start()
    finally:
        sockets.unlink()


def test_it_starts_from_the_main_thread_only(data_dir: Path) -> None:
    with ThreadPoolExecutor(1) as executor, pytest.raises(RuntimeError, match="main thread"):
        executor.submit(EmbeddedPostgres(data_dir).start).result()


async def test_watch_ends_when_the_server_does(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir) as server:
        watching = asyncio.create_task(server.watch())
        done, _ = await asyncio.wait([watching], timeout=0.1)
        assert not done
        os.kill(server.pid, signal.SIGKILL)
        await asyncio.wait_for(watching, PATIENCE)


def test_urls_quote_names(data_dir: Path) -> None:
    url = EmbeddedPostgres(data_dir).url("a b", "c@d")
    assert url.startswith("postgresql://c%40d@/a%20b?host=/tmp/dicom-postgresql-")


@pytest.mark.parametrize(
    ("known", "chosen"),
    [
        ([0, 1, 33, 1000, 1001, 65534], 1000),
        ([0, 1, 33, 1003, 65534], 1003),
        # As on a machine on which there was never anybody but root.
        ([0, 1, 33, 65534], 1),
        ([0], 1000),
    ],
)
def test_root_is_mapped_to_somebody_with_a_name(known: list[int], chosen: int) -> None:
    assert mapped_user(known) == chosen


@pytest.mark.skipif(os.geteuid() != 0, reason="only root is mapped to somebody else")
def test_root_on_a_machine_without_an_ordinary_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    everybody = [entry for entry in pwd.getpwall() if entry.pw_uid < 1000]
    monkeypatch.setattr(pwd, "getpwall", lambda: everybody)
    for _ in range(2):
        with EmbeddedPostgres(tmp_path / "data") as server:
            assert server.pid
    # Outside of the mapping all of it is root's, so that whoever is chosen next may go on with it.
    assert (tmp_path / "data" / "postgresql").stat().st_uid == 0
    monkeypatch.undo()
    with EmbeddedPostgres(tmp_path / "data") as server:
        assert server.pid
