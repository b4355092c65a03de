"""Broken bodies of Store requests: none is answered 5xx, hangs, kills the service or leaves anything behind.

`make test` tries few, `make fuzz` many (FUZZ_EXAMPLES).
"""

from __future__ import annotations

import asyncio
import io
import os
import random
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from services.ingest.bodies.multipart import BodyEnds, MultipartFeed, PartBegins
from tests.builders import ct_instance
from tests.ingest_http_support import running_ingest, token
from tests.stow_support import SHAPES
from tests.waiting import PATIENCE, eventually

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "2"))
ALICE = token(7)
TOKENS = (
    b"\r\n", b"\r", b"\n", b"--", b"\0", b":", b";", b"=", b'"', b"Content-Type:", b"multipart/mixed",
    b"\xff\xfe", b"Content-Length: 99999999\r\n", b"\r\n\r\n", b"\r\n--frontera", b"--frontera--",
    b"\r\n--frontera\r\n", b"x" * 9000,
)  # fmt: skip


def mutated(body: bytes, chance: random.Random) -> bytes:
    """`body` with some bytes changed, left out, doubled, put in, moved or cut off."""
    found = bytearray(body)
    for _ in range(chance.randint(1, 6)):
        # Mostly where parts begin and end: the middle of an image says nothing to a parser of bodies.
        edges = [at for at in (found.find(b"--"), found.rfind(b"--"), found.find(b"\r\n\r\n")) if at >= 0]
        at = min(
            max(chance.choice([*edges, chance.randint(0, len(found))]) + chance.randint(-40, 40), 0),
            len(found),
        )
        match chance.randrange(6):
            case 0 if at < len(found):
                found[at] = chance.randrange(256)
            case 1:
                del found[at : at + chance.choice((1, 2, 4, 30, 2000))]
            case 2:
                found[at:at] = chance.choice(TOKENS)
            case 3:
                found[at:at] = found[at : at + chance.choice((2, 30, 500))]
            case 4:
                del found[at:]
            case _:
                start = chance.randint(0, len(found))
                found[at:at] = found[start : start + 100]
    return bytes(found)


def changed_type(content_type: str, chance: random.Random) -> str:
    """A Content-Type with something of it changed, now and then; what no header may hold is left out."""
    if chance.random() < 0.8:
        return content_type
    broken = mutated(content_type.encode(), chance).decode("latin-1")[:4000]
    return "".join(c for c in broken if " " <= c <= "~").strip() or "x/y"


def test_the_parser_gives_events_in_order_or_refuses() -> None:
    chance = random.Random(EXAMPLES)
    body = SHAPES["quoted"].body([b"one", b"\r\n--fronter", bytes(300)])
    whole = 0
    for _ in range(EXAMPLES * 500):
        feed, open_part, content = MultipartFeed("frontera"), False, mutated(body, chance)
        step = chance.randint(1, len(content) + 1)
        try:
            for start in range(0, len(content), step):
                feed.feed(content[start : start + step])
                while (event := feed.take()) is not None:
                    if isinstance(event, PartBegins):
                        assert not open_part
                        open_part = True
                    elif isinstance(event, bytes):
                        assert open_part
                    else:
                        open_part = isinstance(event, BodyEnds) and open_part
            feed.close()
        except (ValueError, RuntimeError):
            continue
        whole += 1
    assert whole > 0


async def descriptors() -> int:
    """Open ones of this process."""
    return len(await asyncio.to_thread(os.listdir, "/proc/self/fd"))


@pytest.mark.timeout(3600)
async def test_no_body_breaks_the_service(tmp_path: Path, role_url: Callable[[str], str]) -> None:
    chance = random.Random(EXAMPLES + 1)
    async with running_ingest(role_url("ingest"), tmp_path, max_request_bytes=200_000) as ingest:

        async def send(kind: str, body: bytes) -> int:
            data: Any = io.BytesIO(body)
            if chance.random() < 0.3:
                size = chance.randint(1, max(len(body), 1))

                async def chunks() -> AsyncIterator[bytes]:
                    for start in range(0, len(body), size):
                        yield body[start : start + size]

                data = chunks()
            headers = {**ALICE, "Content-Type": kind}
            async with asyncio.timeout(PATIENCE):
                async with ingest.client.post("/dicom-web/studies", data=data, headers=headers) as answer:
                    await answer.read()
                    return answer.status

        statuses: dict[int, int] = {}
        before = 0
        shapes = list(SHAPES.values())
        for number in range(EXAMPLES * 60):
            shape = chance.choice(shapes)
            instances = [
                ct_instance(seed=number, rows=16, columns=16),
                ct_instance(seed=number + 1, rows=8, columns=8),
            ]
            if chance.random() < 0.3:
                # A sound body around a broken file, of which the header is most worth breaking.
                instances[0] = mutated(instances[0][:900], chance) + instances[0][900:]
                body = shape.body(instances)
            else:
                body = mutated(shape.body(instances), chance)
            status = await send(changed_type(shape.content_type, chance), body)
            assert status < 500, status
            statuses[status] = statuses.get(status, 0) + 1
            if number == 20:
                before = await descriptors()
        assert {200, 400} <= statuses.keys(), statuses
        assert await descriptors() <= before + 20  # connections of the pool among them

        # Drafts of what was refused are gone: each object that lies there is a file that was accepted.
        async def tidy() -> bool:
            kept = {path.name for path in (tmp_path / "dicom_file").rglob("*") if path.is_file()}
            return kept == {*await ingest.listed(ALICE, limit="500")} != set()

        await eventually(tidy)
        sound = SHAPES["quoted"]
        assert await send(sound.content_type, sound.body([ct_instance(seed=10**6)])) == 200
