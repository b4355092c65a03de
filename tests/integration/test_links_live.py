"""Live streams of visitors by a link: what is told, and that they end with what they go by."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from libs.common.database.postgres import Connection
from services.results.links import watching
from tests.links_support import make, visit
from tests.results_support import running_results
from tests.sharing_support import ANA, BEN, Sharing


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks follow each other closely."""
    monkeypatch.setattr(watching, "LOOK_SECONDS", 0.05)


@pytest.fixture
async def sharing(role_url: Callable[[str], str], tmp_path: Path) -> AsyncIterator[Sharing]:
    """One replica."""
    async with running_results(role_url("results"), tmp_path) as running:
        yield Sharing(running)


async def test_a_stream_tells_what_the_link_opens_and_ends_with_it(sharing: Sharing) -> None:
    await sharing.file()
    link = await make(sharing, ANA, study_instance_uid="1.2")
    visitor = await visit(sharing, link)
    async with visitor.following() as stream:
        await sharing.file("user:8")
        await sharing.file(study="1.9", series="1.9.1")
        file_id = await sharing.file()
        assert await stream.files(2) == [(file_id, "received"), (file_id, "processed")]
        await sharing.ask(ANA, "DELETE", f"/api/links/{link['id']}", 204)
        while (message := await stream.next()) is not None:
            assert message.event == "shares"


@pytest.mark.parametrize(
    "over",
    [
        "UPDATE results.share SET until = now()",
        "UPDATE results.share SET revoked_at = now()",
        "UPDATE results.link_session SET expires_at = now()",
        "DELETE FROM results.link_session",
        "UPDATE results.upload_dicomresult SET state = 'erased'",
    ],
)
async def test_a_stream_ends_whichever_way_it_is_over(sharing: Sharing, sql: Connection, over: str) -> None:
    visitor = await visit(sharing, await make(sharing, ANA, file_id=await sharing.file()))
    async with visitor.following() as stream:
        await sql.execute(over)
        while (message := await stream.next()) is not None:
            assert message.event == "shares"


async def test_a_stream_ends_when_the_visitor_closes_the_link(sharing: Sharing) -> None:
    link = await make(sharing, ANA, file_id=await sharing.file())
    visitor, other = await visit(sharing, link), await visit(sharing, link)
    async with visitor.following() as stream, other.following() as still_open:
        await visitor.ask("/api/links/session", 204, "DELETE")
        assert await stream.next() is None
        await sharing.ask(ANA, "DELETE", f"/api/links/{link['id']}", 204)
        while await still_open.next() is not None:
            pass


async def test_a_share_taken_back_ends_the_stream_of_a_link_under_it(sharing: Sharing) -> None:
    file_id = await sharing.file()
    held = await sharing.share(ANA, BEN, "manage", file_id=file_id)
    visitor = await visit(sharing, await make(sharing, BEN, file_id=file_id))
    async with visitor.following() as stream:
        await sharing.take_back(ANA, held)
        while await stream.next() is not None:
            pass
