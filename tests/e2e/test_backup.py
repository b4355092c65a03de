"""A drill: what was accepted before a backup is there after a restore elsewhere, and ends."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from pydicom.data import get_testdata_file

from libs.common.encryption.keyring import Keyring
from services.operator import age
from tests.builders import ct_instance, instance
from tests.certificates import Certificates
from tests.e2e.processes import (
    ROOT,
    client_of,
    embedded,
    one_url,
    separate,
    start_all,
    stop_all,
    urls_of,
)
from tests.fixtures_postgres import PostgresServer, run_apart
from tests.postgres_tls import TlsPostgres
from tests.rabbitmq_node import RabbitMQNode

MEASURED = {
    name: Path(str(get_testdata_file(name))).read_bytes() for name in ("CT_small.dcm", "MR_small.dcm")
}
MEASURED["report.dcm"] = instance({"Modality": "SR"})
WAITING = {f"waiting-{number}.dcm": ct_instance(seed=number) for number in range(5)}
VOLATILE = frozenset({"trace_id"})
NEW_FIELDS = frozenset({"dump_sha256", "recipients"})


def command(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """`python -m services …` as an operator runs it."""
    return subprocess.run(
        [sys.executable, "-m", "services", *arguments],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        timeout=250,
    )


@dataclass
class Source:
    """The system that is backed up: what it knew of its files, and its backup."""

    folder: Path
    backup: Path
    keyring: Path
    identity: Path
    printed: str
    results: dict[str, dict[str, Any]]
    contents: dict[str, bytes]
    cursor: str
    environment: Mapping[str, str]

    @property
    def opened_by(self) -> tuple[str, str]:
        """The backups' own key."""
        return "--identity", str(self.identity)


@pytest.fixture(scope="module")
def source(
    postgres_server: PostgresServer,
    template_database: str,
    rabbitmq_node: RabbitMQNode,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Source]:
    """Files that were measured, files that wait because no processor runs, and one after the backup."""
    folder = tmp_path_factory.mktemp("source")
    Keyring.create(folder / "keyring.json")
    rabbitmq_node.add_vhost("backup")
    with ExitStack() as stack:
        stack.callback(rabbitmq_node.delete_vhost, "backup")
        name = stack.enter_context(postgres_server.database(template_database))
        roles = {role: postgres_server.url(name, role) for role in ("auth", "ingest", "results")}
        processes = separate(folder, roles, rabbitmq_node.url("backup"))
        environment = {"DATA_DIR": str(folder), "DATABASE_ADMIN_URL": postgres_server.url(name)}

        async def fill() -> Source:
            await start_all(processes.values())
            async with client_of(urls_of(processes)) as client:
                await client.login()
                status, body = await client.upload(*MEASURED.items())
                assert status == 202
                ids = [file["id"] for file in body["files"]]
                results = {id_: await client.ended(id_) for id_ in ids}
                contents = dict(zip(ids, MEASURED.values(), strict=True))
                cursor = (await client.get("/api/changes"))[1]["next"]
                processes["processor"].stop()
                status, body = await client.upload(*WAITING.items())
                assert status == 202
                contents |= {f["id"]: WAITING[f["file_name"]] for f in body["files"]}
                arguments = ["backup", str(folder / "backups"), "--keyring-folder", str(folder / "keys")]
                done = command(*arguments, **environment)
                assert done.returncode == 0, done.stderr
                assert (await client.upload_raw(ct_instance(seed=99)))[0] == 202
            backup = Path(done.stdout.partition(":")[0])
            (keyring,) = (folder / "keys").glob("keyring-*.json")
            identity = folder / "keys" / "backup-identity.txt"
            return Source(
                folder, backup, keyring, identity, done.stdout, results, contents, cursor, environment
            )

        try:
            yield run_apart(fill())
        finally:
            stop_all(processes.values())


def test_a_backup_tells_what_it_holds_and_hides_it(source: Source) -> None:
    assert (source.backup / "database.age").read_bytes().startswith(b"age-encryption.org/v1")
    assert re.search(r": 8 files, \d+ objects of [\d.]+ MiB, keyring .+\.json, in [\d.]+ s", source.printed)
    assert source.keyring.stat().st_mode & 0o077 == 0
    assert source.backup.stat().st_mode & 0o077 == 0
    everything = b"".join(path.read_bytes() for path in source.backup.rglob("*") if path.is_file())
    for secret in (b"CompressedSamples", b"Builder^Test", b"DICM", b"PGDMP", b"CT_small"):
        assert secret not in everything


def test_the_next_backup_links_what_is_unchanged_and_old_ones_go(source: Source, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    first = command("backup", str(folder), **source.environment)
    assert first.returncode == 0
    assert "The keyrings are not in it" in first.stdout
    before = {path.name: path.stat().st_ino for path in folder.rglob("objects/??/*")}
    # A backup is named by its second.
    first_folder = next(folder.iterdir())
    first_folder.rename(folder / "20000101T000000Z")
    assert command("backup", str(folder), "--keep", "1", **source.environment).returncode == 0
    (left,) = folder.iterdir()
    assert left.name != "20000101T000000Z"
    assert {path.name: path.stat().st_ino for path in left.rglob("objects/??/*")} == before


async def test_a_restore_elsewhere_loses_nothing(source: Source, tmp_path: Path) -> None:
    certificates = Certificates(tmp_path / "certificates")
    (tmp_path / "postgres").mkdir()
    with TlsPostgres(tmp_path / "postgres", certificates.issue(tmp_path / "postgres-tls")) as server:
        target = {
            "DATA_DIR": str(tmp_path / "target"),
            "DATABASE_URL": server.url(),
            "TLS_CA_FILE": str(certificates.ca_file),
        }
        (own,) = source.keyring.parent.glob("auth-keyring-*.json")
        keyrings = ("--keyring", str(source.keyring), "--auth-keyring", str(own), *source.opened_by)
        restored = command("restore", str(source.backup), *keyrings, **target)
        assert restored.returncode == 1, restored.stderr  # reconcile's: something was repaired
        assert "8 files and" in restored.stdout
        system = embedded(tmp_path / "target", **{k: v for k, v in target.items() if k != "DATA_DIR"})
        try:
            await start_all([system])
            async with client_of(one_url(system)) as client:
                await client.login()
                assert (await client.all_ended(8))["processed"] == 8
                for id_, before in source.results.items():
                    after = (await client.get(f"/api/results/{id_}"))[1]
                    assert {k: v for k, v in after.items() if k not in VOLATILE} == {
                        k: v for k, v in before.items() if k not in VOLATILE
                    }
                for id_, content in source.contents.items():
                    assert (await client.get(f"/api/results/{id_}/file"))[1] == content
                status, problem = await client.get("/api/changes", after=source.cursor)
                assert (status, problem["code"]) == (410, "cursor-expired")
            again = command("restore", str(source.backup), *source.opened_by, "--replace", **target)
            assert (again.returncode, again.stderr) == (
                1,
                "Stop the services first: they are using this database.\n",
            )
            checked = command("reconcile", **target)
            assert checked.returncode == 0, checked.stdout
            # Over TLS, which the embedded server's own pg_dump does not speak.
            copied = command("backup", str(tmp_path / "backups"), **target)
            assert copied.returncode == 0, copied.stderr
        finally:
            stop_all([system])
        occupied = command("restore", str(source.backup), *source.opened_by, **target)
        assert occupied.returncode == 1
        assert "There are files or accounts in this database" in occupied.stderr
        # In the place of what is there: all of it, or nothing.
        replacing = ("restore", str(source.backup), *source.opened_by, "--replace")
        await refuse_tables(f"{server.url()}&sslrootcert={certificates.ca_file}", refused=True)
        failed = command(*replacing, **target)
        assert (failed.returncode, "no tables now" in failed.stderr) == (1, True), failed.stderr
        await refuse_tables(f"{server.url()}&sslrootcert={certificates.ca_file}", refused=False)
        assert command("reconcile", **target).returncode == 0
        assert "8 files and" in command(*replacing, **target).stdout
        assert "8\n" in command("psql", "-Atc", "SELECT count(*) FROM upload_dicomfile", **target).stdout


async def refuse_tables(url: str, *, refused: bool) -> None:
    """Let every CREATE TABLE of this database fail, as a full disk would."""
    connection = await asyncpg.connect(url)
    try:
        if not refused:
            await connection.execute("DROP EVENT TRIGGER no_tables")
            return
        await connection.execute(
            "CREATE OR REPLACE FUNCTION public.refuse() RETURNS event_trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'no tables now'; END $$; CREATE EVENT TRIGGER no_tables "
            "ON ddl_command_start WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION public.refuse()"
        )
    finally:
        await connection.close()


def damaged_size(backup: Path) -> None:
    next(backup.glob("objects/??/*")).write_bytes(b"short")


def damaged_listing(backup: Path) -> None:
    (backup / "objects.tsv").write_text("")


def incomplete(backup: Path) -> None:
    (backup / "manifest.json").unlink()


def newer(backup: Path) -> None:
    path = backup / "manifest.json"
    path.write_text(re.sub(r'"format": \d', '"format": 9', path.read_text()))


def cut(backup: Path) -> None:
    with (backup / "database.age").open("r+b") as file:
        file.truncate(file.seek(0, os.SEEK_END) - 1)


def flipped(backup: Path) -> None:
    path = backup / "database.age"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def other_number_of_files(backup: Path) -> None:
    path = backup / "manifest.json"
    path.write_text(path.read_text().replace('"files": 8', '"files": 7'))


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (damaged_size, "is missing or has another size"),
        (damaged_listing, "objects.tsv is damaged"),
        (incomplete, "is no complete backup"),
        (newer, "restore it with the release that made it"),
        (cut, "database.age is damaged"),
        (flipped, "database.age is damaged"),
        (other_number_of_files, "manifest.json was changed"),
    ],
)
def test_a_damaged_backup_is_refused_before_anything_changes(
    source: Source, tmp_path: Path, damage: Any, told: str
) -> None:
    backup = tmp_path / "backup"
    shutil.copytree(source.backup, backup)
    damage(backup)
    target = {
        "DATA_DIR": str(tmp_path / "target"),
        "DATABASE_ADMIN_URL": "postgresql://nobody@127.0.0.1:9/none",
    }
    done = command("restore", str(backup), "--keyring", str(source.keyring), *source.opened_by, **target)
    assert done.returncode == 1
    assert told in done.stderr
    assert not (tmp_path / "target" / "keyring.json").exists()


def test_another_keyring_is_refused_before_anything_changes(
    source: Source, empty_database_url: str, tmp_path: Path
) -> None:
    Keyring.create(tmp_path / "keyring.json")
    target = {"DATA_DIR": str(tmp_path), "DATABASE_ADMIN_URL": empty_database_url}
    done = command("restore", str(source.backup), **target)
    assert done.returncode == 1
    assert "is not in the keyring" in done.stderr


def test_another_key_of_backups_is_refused_before_anything_changes(
    source: Source, empty_database_url: str, tmp_path: Path
) -> None:
    other = tmp_path / "other.txt"
    public = age.create_identity(other)
    target = {"DATA_DIR": str(tmp_path / "target"), "DATABASE_ADMIN_URL": empty_database_url}
    keyring = ("--keyring", str(source.keyring))
    unnamed = command("restore", str(source.backup), *keyring, **target)
    wrong = command("restore", str(source.backup), *keyring, "--identity", str(other), **target)
    (own,) = age.AgeIdentities(source.identity).public
    assert (unnamed.returncode, wrong.returncode) == (1, 1)
    assert unnamed.stderr == (
        f"Name the key that opens the backup: --identity FILE, whose public key is {own}.\n"
    )
    assert wrong.stderr == (f"{other} does not open this backup: it is of {public}, the backup for {own}.\n")
    assert not (tmp_path / "target" / "keyring.json").exists()


async def test_a_damaged_object_leaves_everything_as_it_was(
    source: Source, postgres_server: PostgresServer, empty_database_url: str, tmp_path: Path
) -> None:
    """Its size is right: only reading it tells."""
    backup = tmp_path / "backup"
    shutil.copytree(source.backup, backup)
    # The largest: its middle is ciphertext, and not the spare place of a header.
    damaged = max(backup.glob("objects/??/*"), key=lambda path: path.stat().st_size)
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content)
    target = {"DATA_DIR": str(tmp_path / "target"), "DATABASE_ADMIN_URL": empty_database_url}
    keys = ("--keyring", str(source.keyring), *source.opened_by)
    done = command("restore", str(backup), *keys, **target)
    assert done.returncode == 1
    assert "is damaged, nothing was restored" in done.stderr, done.stderr
    assert not [path for path in (tmp_path / "target" / "dicom_file").rglob("*") if path.is_file()]
    connection = await asyncpg.connect(empty_database_url)
    try:
        assert await connection.fetchval("SELECT to_regclass('ingest.upload_dicomfile')") is None
    finally:
        await connection.close()
    # And so the whole one can be brought back into the same place.
    repaired = command("restore", str(source.backup), *keys, **target)
    assert "8 files and" in repaired.stdout, repaired.stderr


def test_a_backup_of_an_earlier_release_is_still_brought_back(
    source: Source, empty_database_url: str, tmp_path: Path
) -> None:
    """Its dump is an object by the keyring, and nothing vouches for its manifest."""
    assert command("backup", str(tmp_path / "backups"), **source.environment).returncode == 0
    (backup,) = (tmp_path / "backups").iterdir()
    path = backup / "manifest.json"
    document = json.loads(path.read_text())
    path.write_text(json.dumps({**{k: v for k, v in document.items() if k not in NEW_FIELDS}, "format": 1}))
    (backup / "manifest.hmac").unlink()
    target = {"DATA_DIR": str(tmp_path / "target"), "DATABASE_ADMIN_URL": empty_database_url}
    done = command("restore", str(backup), "--keyring", str(source.keyring), **target)
    assert "9 files and" in done.stdout, done.stderr
