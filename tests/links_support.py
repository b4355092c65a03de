"""Links: made by people who share, opened by visitors without an account."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp import ClientResponse

from libs.common.http.client import parse_networks
from tests.sharing_support import Person, Sharing
from tests.sse_support import Stream

PROXY: dict[str, Any] = {"trusted_proxies": parse_networks("127.0.0.0/8")}
"""Settings under which `address` of a visitor counts."""
PASSWORD = "under the seven elms"
COOKIE = "dicom_link"


@dataclass
class Visitor:
    """A browser in which a link is open."""

    sharing: Sharing
    session: str

    def headers(self, **more: str) -> dict[str, str]:
        """Its cookie."""
        return {"Cookie": f"{COOKIE}={self.session}", **more}

    async def ask(
        self, path: str, status: int = 200, method: str = "GET", headers: Mapping[str, str] | None = None
    ) -> Any:
        """The JSON of an answer with `status`, by the link."""
        path += f"{'&' if '?' in path else '?'}via=link"
        client = self.sharing.results.client
        async with client.request(method, path, headers=self.headers(**(headers or {}))) as answer:
            assert answer.status == status, f"{answer.status}: {await answer.text()}"
            return await answer.json(content_type=None) if "json" in answer.content_type else None

    async def sees(self, file_id: str, *, download: bool = False) -> bool:
        """Whether the result is there, on every route alike; the file itself only with `download`."""
        found = set()
        client = self.sharing.results.client
        for part in ("", "/thumbnail", "/frame-means"):
            async with client.get(f"/api/results/{file_id}{part}?via=link", headers=self.headers()) as answer:
                assert answer.status in (200, 404), await answer.text()
                found.add(answer.status == 200)
        seen = found == {True}
        await self.ask(f"/api/results/{file_id}/file", 403 if not download else 200 if seen else 404)
        listed = [row["file_id"] for row in (await self.ask("/api/results?limit=500"))["results"]]
        found.add(file_id in listed)
        changes = (await self.ask("/api/changes?limit=500"))["changes"]
        found.add(file_id in {change["file_id"] for change in changes})
        assert (await self.ask("/api/results/summary"))["total"] == len(listed)
        assert len(found) == 1, "the routes do not agree"
        return seen

    @asynccontextmanager
    async def following(self) -> AsyncIterator[Stream]:
        """An open stream."""
        client = self.sharing.results.client
        async with client.get("/api/events?via=link", headers=self.headers()) as response:
            assert response.status == 200, await response.text()
            yield Stream(response)


async def make(sharing: Sharing, by: Person, status: int = 201, **what: Any) -> Any:
    """Make a link."""
    return await sharing.ask(by, "POST", "/api/links", status, what)


async def present(
    sharing: Sharing, token: str, password: str | None = None, address: str = "192.0.2.7", **headers: str
) -> ClientResponse:
    """Try to open a link; the answer is read, and no cookie is kept."""
    body = {"token": token} | ({} if password is None else {"password": password})
    client = sharing.results.client
    sent = {"X-Forwarded-For": address, **headers}
    async with client.post("/api/links/session", json=body, headers=sent) as answer:
        await answer.read()
    client.session.cookie_jar.clear()
    return answer


async def visit(sharing: Sharing, link: Any, password: str | None = None) -> Visitor:
    """Open a link."""
    answer = await present(sharing, link["token"], password)
    assert answer.status == 200, await answer.text()
    return Visitor(sharing, answer.cookies[COOKIE].value)
