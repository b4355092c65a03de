"""Replicas of the auth service on the test's database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from aiohttp import CookieJar
from aiohttp.test_utils import TestClient, TestServer
from pydantic import SecretStr

from services.auth.app import create
from services.auth.settings import AuthSettings
from tests.auth_support import ADMIN, Client, Start, is_ready
from tests.waiting import eventually


@pytest.fixture
def auth_settings(role_url: Callable[[str], str]) -> AuthSettings:
    """Cheap hashes, a known administrator."""
    return AuthSettings(
        database_url=SecretStr(role_url("auth")),
        admin_password=SecretStr(ADMIN["password"]),
        password_time_cost=1,
        password_memory_kib=8192,
        password_parallelism=1,
        database_timeout=30.0,
        # No wait is over by itself while a test runs.
        sign_in_first_delay_seconds=60.0,
    )


@pytest.fixture
async def start_auth(auth_settings: AuthSettings) -> AsyncIterator[Start]:
    """Start a replica with some settings changed, by default until it is ready."""
    async with AsyncExitStack() as stack:

        async def replica(*, ready: bool = True, **changed: Any) -> Client:
            app = create(auth_settings.model_copy(update=changed))
            client = TestClient(TestServer(app), cookie_jar=CookieJar(unsafe=True))
            await stack.enter_async_context(client)
            if ready:
                await eventually(lambda: is_ready(client))
            return client

        yield replica
