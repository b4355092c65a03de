"""The backups' own key: streams that are whole, or refused."""

from __future__ import annotations

import hashlib
import io
import secrets
import tracemalloc
from contextlib import aclosing
from pathlib import Path

import pytest
from pydantic import ValidationError

from libs.common.errors import ConfigurationError
from services import command
from services.operator import age
from services.operator.doctor import backups
from services.operator.settings import OperatorSettings

MIB = 1 << 20


def descriptors() -> set[str]:
    """What this process has open, less the folder that is read for it."""
    return {path.name for path in Path("/proc/self/fd").iterdir() if path.exists()}


@pytest.fixture
def identity(tmp_path: Path) -> Path:
    path = tmp_path / "identity.txt"
    age.create_identity(path)
    return path


async def write(path: Path, recipients: list[str], *chunks: bytes) -> str:
    async with age.sealed(path, recipients) as sealing:
        for chunk in chunks:
            await sealing.write(chunk)
    return sealing.sha256


async def read(path: Path, identity: Path) -> bytes:
    async with aclosing(age.opened(path, age.AgeIdentities(identity))) as chunks:
        return b"".join([chunk async for chunk in chunks])


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 65_537, 3 * MIB + 17])
async def test_what_goes_in_comes_out(tmp_path: Path, identity: Path, size: int) -> None:
    content = secrets.token_bytes(size)
    path = tmp_path / "dump.age"
    digest = await write(path, age.AgeIdentities(identity).public, content[: size // 3], content[size // 3 :])
    assert await read(path, identity) == content
    assert digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert content not in path.read_bytes() or size < 16


async def test_any_of_several_keys_opens_it(tmp_path: Path, identity: Path) -> None:
    other = tmp_path / "other.txt"
    public = [*age.AgeIdentities(identity).public, age.create_identity(other)]
    await write(tmp_path / "dump.age", public, b"data")
    for one in (identity, other):
        assert await read(tmp_path / "dump.age", one) == b"data"


@pytest.mark.parametrize("place", ["header", "first", "middle", "last", "cut", "cut at a chunk", "longer"])
async def test_what_was_changed_is_refused(tmp_path: Path, identity: Path, place: str) -> None:
    path = tmp_path / "dump.age"
    await write(path, age.AgeIdentities(identity).public, secrets.token_bytes(200_000))
    content = bytearray(path.read_bytes())
    at = {"header": 30, "first": 400, "middle": 100_000, "last": -1}
    if place in at:
        content[at[place]] ^= 1
    elif place == "longer":
        content += b"x"
    else:
        # 200 000 bytes are three chunks of 64 KiB and a rest; each has a tag of 16 bytes.
        del content[-1 if place == "cut" else -(200_000 - 3 * 65_536 + 16) :]
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match="is not whole"):
        await read(path, identity)


async def test_another_key_opens_nothing(tmp_path: Path, identity: Path) -> None:
    other = tmp_path / "other.txt"
    age.create_identity(other)
    await write(tmp_path / "dump.age", age.AgeIdentities(identity).public, b"data")
    with pytest.raises(ConfigurationError, match="No matching keys"):
        await read(tmp_path / "dump.age", other)


async def test_memory_does_not_grow_with_the_dump(tmp_path: Path, identity: Path) -> None:
    path, chunk = tmp_path / "dump.age", secrets.token_bytes(MIB)
    tracemalloc.start()
    try:
        await write(path, age.AgeIdentities(identity).public, *[chunk] * 48)
        size = 0
        async with aclosing(age.opened(path, age.AgeIdentities(identity))) as chunks:
            async for piece in chunks:
                size += len(piece)
        assert size == 48 * MIB
        assert tracemalloc.get_traced_memory()[1] < 8 * MIB
    finally:
        tracemalloc.stop()


async def test_who_has_read_enough_may_hang_up(tmp_path: Path, identity: Path) -> None:
    path = tmp_path / "dump.age"
    await write(path, age.AgeIdentities(identity).public, secrets.token_bytes(4 * MIB))
    before = descriptors()
    async with aclosing(age.opened(path, age.AgeIdentities(identity))) as chunks:
        assert await anext(chunks)
    assert descriptors() == before


async def test_a_block_that_fails_closes_its_file(tmp_path: Path, identity: Path) -> None:
    before = descriptors()

    async def failing() -> None:
        async with age.sealed(tmp_path / "dump.age", age.AgeIdentities(identity).public) as sealing:
            await sealing.write(b"data")
            raise LookupError

    with pytest.raises(LookupError):
        await failing()
    assert descriptors() == before


async def test_a_file_that_cannot_be_made_says_so(tmp_path: Path, identity: Path) -> None:
    (tmp_path / "dump.age").touch()
    with pytest.raises(FileExistsError):
        await write(tmp_path / "dump.age", age.AgeIdentities(identity).public, *[b"x" * MIB] * 3)


def test_identities_are_read_as_age_writes_them(
    tmp_path: Path, identity: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert identity.stat().st_mode & 0o777 == 0o600
    (public,) = age.AgeIdentities(identity).public
    assert f"# Opens backups. Public key: {public}" in identity.read_text()
    assert age.parse_recipients(f" {public},{public}\n") == [public]
    monkeypatch.setattr("sys.stdin", io.StringIO(identity.read_text()))
    assert age.AgeIdentities(age.STANDARD_INPUT).public == [public]


@pytest.mark.parametrize(
    ("content", "mode", "told"),
    [
        ("AGE-SECRET-KEY-1SECRET\n", 0o600, "holds no identity of age"),
        ("# nothing\n", 0o600, "holds no identity of age"),
        ("", 0o604, "chmod o-rwx"),
        (None, 0o600, "cannot be read"),
    ],
)
def test_a_file_that_is_no_identity_is_one_sentence(
    tmp_path: Path, content: str | None, mode: int, told: str
) -> None:
    path = tmp_path / "identity.txt"
    if content is not None:
        path.write_text(content)
        path.chmod(mode)
    with pytest.raises(ConfigurationError, match=told) as caught:
        age.AgeIdentities(path)
    assert "SECRET" not in str(caught.value.detail).replace("AGE-SECRET-KEY-1…", "")


def test_an_identity_is_never_replaced(identity: Path) -> None:
    before = identity.read_bytes()
    with pytest.raises(FileExistsError):
        age.create_identity(identity)
    assert identity.read_bytes() == before


def test_a_key_with_a_mistake_is_named_by_its_place(identity: Path) -> None:
    (public,) = age.AgeIdentities(identity).public
    with pytest.raises(ConfigurationError, match="its key 2 is no public key"):
        age.parse_recipients(f"{public} {public[:-1]}q0")


def test_a_pair_is_made_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "keys" / "identity.txt"
    assert command.main(["backup-key", str(path)]) == 0
    assert capsys.readouterr().out.split() == age.AgeIdentities(path).public
    assert command.main(["backup-key", str(path)]) == 1
    assert "is never overwritten" in capsys.readouterr().err
    (tmp_path / "file").touch()
    assert command.main(["backup-key", str(tmp_path / "file" / "identity.txt")]) == 1
    assert "cannot be written" in capsys.readouterr().err


def test_the_doctor_says_for_whom_backups_are(tmp_path: Path, identity: Path) -> None:
    def told(**given: object) -> list[tuple[str, str]]:
        settings = OperatorSettings.model_validate(given)
        return [(found.level, found.what) for found in backups.check(settings)]

    (public,) = age.AgeIdentities(identity).public
    assert told() == [
        ("note", "BACKUP_RECIPIENTS is not set: `make backup` makes a key beside the keyrings' copies.")
    ]
    assert told(database_admin_url="postgresql://x@h/d") == [
        (
            "warning",
            "BACKUP_RECIPIENTS is not set: the database is backed up under the keyring, which lies here.",
        )
    ]
    known = ("ok", f"The database is backed up for {public}.")
    missing = tmp_path / "missing.txt"
    assert told(backup_recipients=public, backup_identity_file=missing) == [known]
    here = ("note", f"The key that opens backups lies here: {identity}.")
    assert told(backup_recipients=public, backup_identity_file=identity) == [known, here]
    other = tmp_path / "other.txt"
    age.create_identity(other)
    assert [level for level, _ in told(backup_recipients=public, backup_identity_file=other)] == [
        "ok",
        "warning",
        "note",
    ]
    with pytest.raises(ConfigurationError, match="its key 1 is no public key"):
        told(backup_recipients="age1" + "q" * 58)
    with pytest.raises(ValidationError):
        told(backup_recipients="AGE-SECRET-KEY-1")
