"""The auth service on a real PostgreSQL, and a client that signs in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient

Client = TestClient[web.Request, web.Application]
Start = Callable[..., Awaitable[Client]]
ADMIN = {"username": "admin", "password": "first password"}


async def is_ready(client: Client) -> bool:
    async with client.get("/readyz") as response:
        return response.status == 200


async def answer(response: ClientResponse) -> Any:
    """The JSON body of an answer that must not be cached."""
    assert response.headers["Cache-Control"] == "no-store"
    return await response.json()


async def sign_in(client: Client, **changed: Any) -> dict[str, Any]:
    response = await client.post("/api/auth/login", json={**ADMIN, **changed})
    assert response.status == 200, await response.text()
    found: dict[str, Any] = await answer(response)
    return found


async def refresh(client: Client, token: str) -> tuple[int, dict[str, Any]]:
    response = await client.post("/api/auth/refresh", json={"refresh_token": token})
    return response.status, await response.json()


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def me(client: Client, token: str) -> tuple[int, dict[str, Any]]:
    response = await client.get("/api/auth/me", headers=bearer(token))
    return response.status, await response.json()
