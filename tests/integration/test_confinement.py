"""A real child, taken over: it tries each forbidden thing, and cannot; what a decoder needs, it can."""

from __future__ import annotations

import os
import platform
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from libs.common.encryption.keyring import Keyring
from libs.common.ids import file_key, new_file_id
from libs.common.storage import FileStorage
from libs.isolation.calls import ChildCrashed
from libs.isolation.confinement import lacking
from libs.isolation.limits import ChildLimits
from libs.isolation.pool import ChildPool
from tests.isolation_attempts import SAME_EVERYWHERE, X86_64
from tests.isolation_support import WORK

ON_X86_64 = platform.machine() == "x86_64"
UNKNOWN = ("clone3", "openat2")
"""Answered as by an older kernel, for which the C library has another way."""
PATHS = {
    "read a file": "EACCES",
    "write a file": "EPERM",
    "list a folder": "EACCES",
    "remove a file": "EPERM",
    "open a file to others": "EPERM",
    "make a folder": "EPERM",
}
FORBIDDEN = {
    "execute": "EPERM",
    "fork": "EPERM",
    "socket": "EPERM",
    "socket pair": "EPERM",
    "connect": "EPERM",
    "trace the parent": "EPERM",
    "read the parent's memory": "EPERM",
    "open the parent's memory": "EACCES",
    "read the parent's environment": "EACCES",
    "signal the parent": "EPERM",
    "outlive the parent": "EPERM",
    "lift a limit": "EPERM",
    "lift a limit of the parent": "EPERM",
    **{name: "ENOSYS" if name in UNKNOWN else "EPERM" for name in SAME_EVERYWHERE},
    **{name: "EPERM" for name in X86_64 if ON_X86_64},
}

pytestmark = pytest.mark.skipif(bool(lacking()), reason=f"this kernel has no {' and no '.join(lacking())}")


@pytest.fixture
async def pool() -> AsyncIterator[ChildPool]:
    """One child."""
    made = ChildPool(WORK, b"", ChildLimits(30.0, 30.0, 512 << 20, 1000), slots=1)
    yield made
    await made.close()


async def attempted(pool: ChildPool, name: str, *arguments: str) -> str:
    (told,) = await pool.call([b"attempt", name.encode(), *(os.fsencode(one) for one in arguments)])
    return told.decode()


async def test_files_that_a_child_was_not_given_are_out_of_reach(pool: ChildPool, tmp_path: Path) -> None:
    """Keyring and objects of whoever runs it; root, here, whom no permission stops."""
    storage = FileStorage(tmp_path / "objects", Keyring.create(tmp_path / "keyring.json"))
    key = file_key(new_file_id())
    await storage.put(key, b"content", {}, durable=False)
    async with storage.child_access(key) as access:
        targets = [tmp_path / "keyring.json", Path(access.path)]
    before = [target.read_bytes() for target in targets]
    for target in targets:
        for name, answer in PATHS.items():
            found = target.parent if name == "list a folder" else target
            assert await attempted(pool, name, str(found)) == answer, (name, found)
    assert [target.read_bytes() for target in targets] == before
    assert stat.S_IMODE(targets[0].stat().st_mode) == 0o600
    assert await attempted(pool, "read a file", "/etc/passwd") == "EACCES"
    working_copy = Path(__file__).parents[2]
    assert await attempted(pool, "read a file", str(working_copy / "pyproject.toml")) == "EACCES"
    assert await attempted(pool, "list a folder", "/") == "EACCES"


async def test_what_no_decoder_needs_is_refused(pool: ChildPool) -> None:
    (pid,) = await pool.call([b"pid"])
    answers = {name: await attempted(pool, name) for name in FORBIDDEN}
    assert answers == FORBIDDEN
    assert await pool.call([b"pid"]) == (pid,), "and it lived on"


async def test_what_a_decoder_needs_is_allowed(pool: ChildPool) -> None:
    for name in ("thread", "own limits", "own signal", "read code"):
        assert await attempted(pool, name) == "done", name


@pytest.mark.skipif(not ON_X86_64, reason="only x86_64 has these")
@pytest.mark.parametrize("name", ["x32", "32 bits"])
async def test_other_numbers_for_the_same_calls_end_the_child(pool: ChildPool, name: str) -> None:
    # SIGSYS; SIGSEGV where the kernel knows no 32-bit programs.
    with pytest.raises(ChildCrashed, match=r"code -(31|11)"):
        await attempted(pool, name)


async def test_a_child_says_of_itself_that_it_is_confined(pool: ChildPool) -> None:
    (pid,) = await pool.call([b"pid"])
    status = Path(f"/proc/{pid.decode()}/status").read_text()
    assert "NoNewPrivs:\t1" in status
    assert "Seccomp:\t2" in status
