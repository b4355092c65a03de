"""People who share: what each of them asks of a running results service, and whom they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from libs.common.access import Mode
from libs.common.ids import thumbnail_key
from libs.common.permissions import ORDINARY
from tests.results_support import Results, bearer
from tests.unit.services.results.events import processed, received

SHARING = ORDINARY | {"share_dicomfile", "view_share", "delete_share", "view_link", "delete_link"}
"""What the group `uploader` may."""


@dataclass(frozen=True)
class Person:
    """An account: `groups` are all that it is in, `collections` those of groups that open theirs."""

    id: int
    groups: Sequence[int] = ()
    collections: Mapping[str, Mode] = field(default_factory=dict)
    permissions: frozenset[str] = SHARING

    def headers(self) -> dict[str, str]:
        """A fresh token."""
        return bearer(self.id, collections=self.collections, groups=self.groups, permissions=self.permissions)


ANA = Person(7)
BEN = Person(8)
CAT = Person(9)
DAN = Person(10)
GUEST = Person(11, groups=(6,))
"""In a group that opens nothing of its own."""
VIEWER = Person(12, groups=(3,), collections={"group:3": "view"})
MANAGER = Person(13, groups=(3,), collections={"group:3": "manage"})
READER = Person(14, permissions=SHARING | {"view_all_dicomresult"})
CHIEF = Person(15, permissions=SHARING | {"view_all_dicomresult", "manage_all_dicomresult"})


@dataclass
class Sharing:
    """A replica, asked by people."""

    results: Results

    async def ask(self, who: Person, method: str, path: str, status: int = 200, json: Any = None) -> Any:
        """The JSON of an answer with `status`; None without a body."""
        client = self.results.client
        sent = {} if json is None else {"json": json}
        async with client.request(method, path, headers=who.headers(), **sent) as answer:
            assert answer.status == status, f"{answer.status}: {await answer.text()}"
            return await answer.json(content_type=None) if await answer.read() else None

    async def share(
        self, by: Person, to: Person | int, mode: Mode = "view", status: int = 200, **what: Any
    ) -> Any:
        """Share with a person, or with a group by its number."""
        grantee = {"group": to} if isinstance(to, int) else {"user": to.id}
        body = {"grantee": grantee, "mode": mode, **what}
        return await self.ask(by, "POST", "/api/shares", status, body)

    async def take_back(self, by: Person, share: Any, status: int = 204) -> None:
        """End a share."""
        await self.ask(by, "DELETE", f"/api/shares/{share['id']}", status)

    async def sees(self, who: Person, file_id: str) -> bool:
        """Whether the result is there for them; with list, counts, changes, object and picture alike."""
        client, headers = self.results.client, who.headers()
        found = set()
        for part in ("", "/file", "/thumbnail", "/frame-means"):
            async with client.get(f"/api/results/{file_id}{part}", headers=headers) as answer:
                assert answer.status in (200, 404), await answer.text()
                found.add(answer.status == 200)
        listed = await self.listed(who)
        found.add(file_id in listed)
        changes = (await self.ask(who, "GET", "/api/changes?limit=500"))["changes"]
        found.add(file_id in {change["file_id"] for change in changes})
        summary = await self.ask(who, "GET", "/api/results/summary")
        assert summary["total"] == len(listed), (summary, listed)
        assert len(found) == 1, "the routes do not agree"
        return found.pop()

    async def listed(self, who: Person, query: str = "") -> list[str]:
        """The files of their list."""
        answer = await self.ask(who, "GET", f"/api/results?limit=500{query}")
        return [row["file_id"] for row in answer["results"]]

    async def file(self, collection: str = "user:7", study: str = "1.2", series: str = "1.2.3") -> str:
        """A processed file with its objects."""
        event = received(
            owner_id=7, collection=collection, study_instance_uid=study, series_instance_uid=series
        )
        file_id: UUID = await self.results.upload(event)
        await self.results.storage.put(thumbnail_key(file_id), b"picture", {}, durable=False)
        done = processed(file_id, 7, collection=collection, statistics={"frame_means": [1.0]})
        await self.results.publish(done)
        return str(file_id)
