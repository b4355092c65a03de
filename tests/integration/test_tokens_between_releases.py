"""Access tokens in a rolling upgrade: each release reads what the other signs."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from libs.common.access import Viewer
from libs.common.ids import UserId
from libs.common.permissions import ORDINARY
from libs.common.security.tokens import TokenVerifier
from services.auth.identity.models import Identity
from services.auth.sessions.signing import TokenSigner, generate_seed, key_set_of
from tests import previous_release
from tests.unit.libs.common.test_tokens import CLAIMS, key_set, sign

# The previous release's own modules, where they were.
VERIFY = """
import asyncio, json, sys
from libs.common.tokens import TokenVerifier
given = json.load(sys.stdin)
async def keys():
    return given["keys"].encode()
print(asyncio.run(TokenVerifier(keys).verify(given["token"])).model_dump_json())
"""
SIGN = """
import json
from datetime import UTC, datetime, timedelta
from services.auth.models import Identity
from services.auth.signing import TokenSigner, generate_seed
signer = TokenSigner(generate_seed())
ana = Identity(7, "ana", False, (3,), ("upload.view_dicomresult",), "", "", "")
token = signer.sign(ana, datetime.now(UTC), timedelta(minutes=5))
print(json.dumps({"keys": signer.key_set().model_dump_json(), "token": token}))
"""


@pytest.fixture(scope="module")
def previous(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The previous release's code."""
    folder = tmp_path_factory.mktemp("previous")
    previous_release.extract(folder)
    return folder


def run(folder: Path, script: str, given: dict[str, str] | None = None) -> Any:
    """What a script prints that runs in the previous release's code."""
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=folder,
        input=json.dumps(given),
        capture_output=True,
        text=True,
        timeout=250,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_previous_release_reads_todays_tokens(previous: Path) -> None:
    signer = TokenSigner(generate_seed())
    ana = Identity(
        id=UserId(7),
        username="ana",
        staff=False,
        superuser=False,
        groups=(3,),
        permissions=ORDINARY,
        first_name="",
        last_name="",
        email="",
    )
    token = signer.sign(ana, datetime.now(UTC), timedelta(minutes=5))
    found = run(previous, VERIFY, {"keys": key_set_of([signer]).model_dump_json(), "token": token})
    assert (found["user_id"], found["username"], found["staff"], found["groups"]) == (7, "ana", False, [3])


def test_the_previous_release_passes_over_collections(previous: Path) -> None:
    now = int(datetime.now(UTC).timestamp())
    claims = {**CLAIMS, "iat": now, "exp": now + 300, "collections": {"group:3": "manage"}, "later": [1]}
    keys = asyncio.run(key_set()).decode()
    found = run(previous, VERIFY, {"keys": keys, "token": sign(claims)})
    assert (found["user_id"], found["groups"]) == (7, [1, 2])
    assert "collections" not in found


async def test_tokens_of_the_previous_release_open_their_own_collection(previous: Path) -> None:
    given = run(previous, SIGN)

    async def keys() -> bytes:
        return bytes(given["keys"], "ascii")

    found = await TokenVerifier(keys).verify(given["token"])
    assert (found.user_id, found.groups) == (7, (3,))
    assert Viewer.of(found).visible == ["user:7"]
