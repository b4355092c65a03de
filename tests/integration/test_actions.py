"""Actions on many files: what is done with which of them, for whom, and how far it has come."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from libs.common.bus.contract import Delivery
from libs.common.events import FileRequested
from libs.common.permissions import ORDINARY
from services.results.keys import JOBS
from tests.results_support import Results, bearer, running_results
from tests.sharing_support import ANA, BEN, SHARING, Sharing
from tests.unit.services.results.events import failed, processed, received
from tests.waiting import eventually

ACTIONS = "/api/results/actions"
RETRYING = SHARING | {"retry_dicomfile"}


class Worker:
    """Measures what is requested."""

    results: Results | None = None

    async def __call__(self, delivery: Delivery) -> None:
        data = delivery.event.data
        assert isinstance(data, FileRequested)
        assert self.results is not None
        await self.results.publish(
            processed(data.file_id, data.owner_id, request=data.request, collection=data.collection)
        )


@pytest.fixture
async def results(role_url: Callable[[str], str], tmp_path: Path) -> AsyncIterator[Results]:
    """One replica, and a worker."""
    worker = Worker()
    async with running_results(role_url("results"), tmp_path, work=worker) as running:
        worker.results = running
        yield running


async def broken(
    results: Results, *, owner: int = ANA.id, collection: str | None = None, **told: Any
) -> UUID:
    """A file that failed."""
    where: dict[str, Any] = {"collection": collection or f"user:{owner}"}
    name = told.pop("file_name", "a.dcm")
    file_id = await results.upload(received(owner_id=owner, **where, **told), file_name=name)
    await results.publish(failed(file_id, owner, **where))
    return file_id


async def ask(
    results: Results,
    body: Any = None,
    status: int = 202,
    *,
    user: int = ANA.id,
    path: str = "",
    permissions: frozenset[str] = RETRYING,
    **collections: Any,
) -> Any:
    named = {f"group:{name[1:]}": mode for name, mode in collections.items()}
    headers = bearer(user, permissions=permissions, collections=named)
    method, sent = ("GET", {}) if body is None else ("POST", {"json": body})
    async with results.client.request(method, ACTIONS + path, headers=headers, **sent) as answer:
        assert answer.status == status, await answer.text()
        return await answer.json(content_type=None)


async def done(results: Results, action_id: str) -> dict[str, Any]:
    """The action, once it is done."""
    last: dict[str, Any] = {}

    async def over() -> bool:
        last.update(await ask(results, path=f"/{action_id}", status=200))
        return bool(last["state"] == "done")

    await eventually(over)
    return last


async def state(results: Results, file_id: UUID, user: int = ANA.id) -> str:
    return str((await results.json(f"/api/results/{file_id}", user))["state"])


async def test_named_files_are_tried_again(results: Results) -> None:
    mine = [await broken(results) for _ in range(3)]
    fine = await results.upload(received())
    shown = await broken(results, owner=BEN.id, collection="user:8")
    hidden = await broken(results, owner=9)
    await Sharing(results).share(BEN, ANA, file_id=str(shown))
    ids = [str(of) for of in (*mine, mine[0], fine, shown, hidden, uuid4())]
    begun = await ask(results, {"action": "retry", "ids": ids})
    assert begun["left_out"] == {"unknown": 2, "not_managed": 1, "not_failed": 1}
    assert (begun["total"], begun["requested"]) == (3, 3)
    ended = await done(results, begun["id"])
    assert (ended["total"], ended["processed"], ended["failed"], ended["under_way"]) == (3, 3, 0, 0)
    assert ended["left_out"] is None
    assert [await state(results, file_id) for file_id in mine] == ["processed"] * 3
    assert await state(results, shown, BEN.id) == "failed"
    assert await state(results, hidden, 9) == "failed"


async def test_measured_files_are_measured_anew_by_who_may(results: Results) -> None:
    mine = await broken(results)
    begun = await ask(results, {"action": "retry", "ids": [str(mine)]})
    await done(results, begun["id"])
    again, waiting = await broken(results), await results.upload(received())
    body = {"action": "reprocess", "ids": [str(mine), str(again), str(waiting)]}
    await ask(results, body, 403)
    begun = await ask(results, body, permissions=RETRYING | {"reprocess_dicomresult"})
    assert (begun["action"], begun["requested"]) == ("reprocess", 2)
    assert begun["left_out"] == {"unknown": 0, "not_managed": 0, "not_failed": 1}
    ended = await done(results, begun["id"])
    assert (ended["action"], ended["processed"], ended["failed"]) == ("reprocess", 2, 0)
    assert [await state(results, file_id) for file_id in (mine, again)] == ["processed"] * 2


async def test_what_is_shared_to_be_managed_may_be_named(results: Results) -> None:
    file_id = await broken(results, owner=BEN.id)
    await Sharing(results).share(BEN, ANA, "manage", file_id=str(file_id))
    begun = await ask(results, {"action": "retry", "ids": [str(file_id)]})
    assert begun["left_out"] == {"unknown": 0, "not_managed": 0, "not_failed": 0}
    await done(results, begun["id"])
    assert await state(results, file_id) == "processed"


async def test_nothing_to_do_is_done_at_once(results: Results) -> None:
    begun = await ask(results, {"action": "retry", "ids": [str(uuid4())]})
    assert (begun["requested"], begun["left_out"]["unknown"]) == (0, 1)
    assert (await done(results, begun["id"]))["total"] == 0


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ({}, {"mine", "scan", "group"}),
        ({"q": "scan"}, {"scan"}),
        ({"modality": "MR"}, {"group"}),
        ({"collection": "group:4"}, {"group"}),
        ({"collection": "user:9"}, set()),
        ({"owner": 7}, {"mine", "scan"}),
        ({"study": "1.2.3"}, {"mine", "scan", "group"}),
        ({"studies": ["1.2.3", "1.2.4"]}, {"mine", "scan", "group"}),
        ({"studies": ["1.2.4"]}, set()),
        ({"studies": ["1.2.3"], "collection": "group:4"}, {"group"}),
        ({"from": "2099-01-01"}, set()),
        ({"to": "2099-01-01"}, {"mine", "scan", "group"}),
        ({"device": "nothing"}, set()),
    ],
)
async def test_a_query_reaches_what_its_maker_manages(
    results: Results, where: dict[str, Any], expected: set[str]
) -> None:
    """Nobody has files of others, or of collections that they only see, measured again."""
    files = {
        "mine": await broken(results),
        "scan": await broken(results, file_name="scan.dcm"),
        "group": await broken(results, owner=8, collection="group:4", modality="MR"),
        "seen": await broken(results, owner=8, collection="group:3", file_name="scan.dcm"),
        "foreign": await broken(results, owner=9, file_name="scan.dcm"),
    }
    begun = await ask(results, {"action": "retry", "where": where}, g4="manage", g3="view")
    ended = await done(results, begun["id"])
    assert ended["processed"] == len(expected)
    rows = await results.client.get(
        "/api/results?state=processed", headers=bearer(1, permissions=ORDINARY | {"view_all_dicomresult"})
    )
    found = {row["file_id"] for row in (await rows.json())["results"]}
    assert found == {str(files[name]) for name in expected}


async def test_an_action_is_shown_to_who_began_it_and_its_words_to_nobody_else(results: Results) -> None:
    begun = await ask(results, {"action": "retry", "where": {"q": "Garcia Maria"}})
    await ask(results, path=f"/{begun['id']}", status=404, user=BEN.id)
    await ask(results, path="/nonsense", status=404)
    await ask(results, path=f"/{uuid4()}", status=404)
    headers = bearer(20, permissions={"view_job"})
    async with results.client.get("/api/processing/jobs", headers=headers) as answer:
        text = await answer.text()
    assert begun["id"] in text
    assert "Garcia" not in text


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"action": "reprocess", "where": {}},
        {"action": "retry"},
        {"action": "erase", "ids": [str(uuid4())]},
        {"action": "retry", "ids": []},
        {"action": "retry", "ids": ["x"]},
        {"action": "retry", "ids": [str(uuid4())] * 301},
        {"action": "retry", "ids": [str(uuid4())], "where": {}},
        {"action": "retry", "where": {"collections": ["user:9"]}},
        {"action": "retry", "where": {"state": "processed"}},
        {"action": "retry", "where": {"studies": []}},
        {"action": "retry", "where": {"studies": ["1.2"] * 501}},
        {"action": "retry", "where": {"q": "\u0000"}},
    ],
)
async def test_what_is_wrong_is_refused(results: Results, body: Any) -> None:
    await ask(results, body, 400)


async def test_limits_and_permission(results: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    await ask(results, {"action": "retry", "where": {}}, 403, permissions=SHARING - {"retry_dicomfile"})

    async def stands_still() -> bool:
        return False

    monkeypatch.setattr(results.client.app[JOBS], "step", stands_still)
    for _ in range(3):
        await ask(results, {"action": "retry", "where": {}})
    await ask(results, {"action": "retry", "where": {}}, 409)
    await ask(results, {"action": "retry", "where": {}}, user=BEN.id)
