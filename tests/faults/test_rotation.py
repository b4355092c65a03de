"""Keys are rotated under load, by a command that is killed again and again: no read fails, then or later."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from libs.common.encryption.keyring import Keyring
from libs.common.encryption.keyring_content import KeyringContent
from libs.common.errors import ObjectNotFound
from libs.common.ids import ObjectKey
from libs.common.storage import FileStorage
from tests.builders import ct_instance
from tests.e2e.processes import Process, start_all
from tests.faults_support import FaultySystem, faulty_system
from tests.waiting import eventually

FILES = 150
READERS = 3
PER_SECOND = 40
KILLS = (0.2, 0.5)
"""Shares of the objects that are under the new key when the command is killed."""


class Reads:
    """Reads files, parts of them and thumbnails, and remembers what was answered wrongly."""

    def __init__(self, system: FaultySystem) -> None:
        self._system = system
        self._random = random.Random(7)
        self.done: Counter[str] = Counter()
        self.failed: list[tuple[str, int]] = []

    async def for_ever(self) -> None:
        while True:
            number = self._random.choice(list(self._system.accepted))
            await self.one(number, self._random.choice(("file", "range", "thumbnail")))

    async def one(self, number: int, kind: str) -> None:
        client, file_id = self._system.client, self._system.accepted[number]
        path = (
            f"{client.urls['results']}/api/results/{file_id}/{'thumbnail' if kind == 'thumbnail' else 'file'}"
        )
        content = ct_instance(seed=number)
        start = self._random.randrange(len(content) - 1)
        headers = {**client.headers, **({"Range": f"bytes={start}-{start + 99}"} if kind == "range" else {})}
        async with client.session.get(path, headers=headers) as answer:
            body = await answer.read()
            expected = {
                "file": answer.status == 200 and body == content,
                "range": answer.status == 206 and body == content[start : start + 100],
                "thumbnail": answer.status == 200 and len(body) > 0,
            }[kind]
        self.done[kind] += 1
        if not expected:
            self.failed.append((f"{kind} of {file_id}", answer.status))


class Rotation:
    """The command, and what it has done so far."""

    def __init__(self, folder: Path, database_url: str) -> None:
        self._folder = folder
        self._environment = {
            "DATA_DIR": str(folder),
            "KEYRING_FILE": str(folder / "keyring.json"),
            "DATABASE_ADMIN_URL": database_url,
        }
        self._runs = 0

    @property
    def content(self) -> KeyringContent:
        return Keyring.load(self._folder / "keyring.json").content

    def start(self, *arguments: str) -> Process:
        self._runs += 1
        command = Process("services", self._environment, self._folder / f"rotation-{self._runs}.log")
        command.arguments = ("rotate-keys", *arguments)
        command.start()
        return command

    async def named(self) -> Counter[str]:
        """Objects by key."""
        storage, found = (
            FileStorage(self._folder / "dicom_file", Keyring("none", {"none": bytes(32)})),
            Counter[str](),
        )
        async for stored in storage.keys():
            try:
                found.update(await storage.named_keys(ObjectKey(stored.key)))
            except ObjectNotFound:
                continue  # a mark of attempts, erased meanwhile
        return found

    async def share(self) -> float:
        """How much of all objects is under the current key, once there is a former one."""
        content = self.content
        if not content.former:
            return 0.0
        found = await self.named()
        return found[content.current] / max(1, found.total())


async def ended(command: Process) -> int:
    return await asyncio.to_thread(command.wait, 120)


@pytest.mark.faults
@pytest.mark.timeout(400)
async def test_keys_rotated_under_load_and_killed_on_the_way(
    tmp_path: Path, role_url: Callable[[str], str], database_url: str, amqp_url: str
) -> None:
    async with faulty_system(tmp_path, role_url, amqp_url, workers=2) as system:
        await start_all(system.workers)
        for number in range(FILES):
            await system.send(number)
        await system.all_ended(120)
        rotation, reads = Rotation(tmp_path, database_url), Reads(system)
        first, over = rotation.content.current, asyncio.Event()

        async def send() -> None:
            number = FILES
            while not over.is_set():
                file_id = await system.send(number)
                # Readers take what is listed as accepted: let it be measured first.
                del system.accepted[number]
                await system.client.ended(file_id)
                system.accepted[number] = file_id
                number += 1

        long = ct_instance(rows=1024, columns=1024, frames=2, seed=10**6)

        async def slowly() -> AsyncIterator[bytes]:
            # More than a segment lies on the disk, under the old key, before anything is rotated.
            sent = 3 << 20
            yield long[:sent]
            while not over.is_set():
                await asyncio.sleep(0.2)
                yield long[sent : sent + 100]
                sent += 100
            yield long[sent:]

        upload = asyncio.create_task(system.client.upload_raw(slowly()))
        load = [asyncio.create_task(send()), *(asyncio.create_task(reads.for_ever()) for _ in range(READERS))]

        # Killed while the key is known and not used yet.
        command = rotation.start("--settle", "60")
        await eventually(lambda: rotation.content.next is not None, 30)
        command.kill()
        following = rotation.content.next
        assert rotation.content.current == first
        # Killed in the middle, twice.
        for share in KILLS:
            command = rotation.start("--settle", "6", "--per-second", str(PER_SECOND))

            async def reached(share: float = share) -> bool:
                return await rotation.share() >= share

            await eventually(reached, 90)
            command.kill()
            assert rotation.content.current == following
            assert (await rotation.named())[first]
        command = rotation.start(
            "--settle", "6", "--remove-old", "--keyring-folder", str(tmp_path / "copies")
        )
        assert await ended(command) == 0, command.output()
        assert rotation.content.keys.keys() == {following}
        # What was begun before all of this is finished after it.
        over.set()
        status, body = await upload
        assert status == 202, body
        await load[0]
        for reader in load[1:]:
            reader.cancel()
        await asyncio.wait(load[1:])
        crashed = [one.exception() for one in load if not one.cancelled() and one.exception() is not None]
        assert crashed == []
        assert reads.failed == []
        assert min(reads.done[kind] for kind in ("file", "range", "thumbnail")) > 20, reads.done

        await system.client.ended(body["files"][0]["id"])
        assert (await rotation.named()).keys() == {following}
        # Nobody remembers the old key any more.
        await system.restart()
        for number in system.accepted:
            for kind in ("file", "range", "thumbnail"):
                await reads.one(number, kind)
        assert reads.failed == []
        async with system.client.session.get(
            f"{system.client.urls['results']}/api/results/{body['files'][0]['id']}/file",
            headers=system.client.headers,
        ) as answer:
            assert await answer.read() == long
        for worker in system.workers:
            assert worker.stop() == 0
