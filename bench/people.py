"""People of the measured system: accounts, where they sign in, and the lines that tell what was measured."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import Any

from tests.e2e.processes import PASSWORD, Client


@dataclass(frozen=True)
class Person:
    """An account and where it signs in."""

    id: int
    name: str
    at: dict[str, str]


def show(figure: str, **values: Any) -> None:
    """One line of JSON."""
    rounded = {name: round(v, 2) if isinstance(v, float) else v for name, v in values.items()}
    sys.stdout.write(f"{json.dumps({'figure': figure, **rounded})}\n")
    sys.stdout.flush()


async def make_people(admin: Client, count: int) -> list[Person]:
    """Accounts that have signed in once from where they will."""
    made = []
    for number in range(count):
        name = f"person{number}"
        body = {"username": name, "password": PASSWORD, "must_change_password": False}
        async with admin.session.post(
            f"{admin.urls['auth']}/api/auth/users", json=body, headers=admin.headers
        ) as answer:
            assert answer.status == 201, await answer.text()
            person = Person((await answer.json())["id"], name, {"X-Forwarded-For": f"192.0.2.{number + 1}"})
        assert await sign_in(admin, person) == 200
        made.append(person)
    return made


async def sign_in(client: Client, person: Person, password: str = PASSWORD) -> int:
    """The status of one attempt."""
    body = {"username": person.name, "password": password}
    url = f"{client.urls['auth']}/api/auth/login"
    async with client.session.post(url, json=body, headers=person.at) as answer:
        await answer.read()
        return answer.status


async def admin_call(client: Client, method: str, url: str, body: Any) -> None:
    """What must succeed."""
    async with client.session.request(method, url, json=body, headers=client.headers) as answer:
        assert answer.status < 300, await answer.text()
