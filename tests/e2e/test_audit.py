"""The audit log of a running system: each act leaves exactly its entry, and none is lost or says too much."""

from __future__ import annotations

import asyncio
import secrets
from pathlib import Path
from typing import Any

import asyncpg
import orjson
import pytest
from aiohttp import FormData
from pydantic import SecretStr

from libs.common.encryption.keyring import Keyring
from libs.common.http.audited import AUDIT_RULES
from libs.postgresql import folder as postgres_folder
from services.allinone import app as allinone
from tests.applications_support import CALLBACK, answer_in, challenge_of
from tests.builders import UID_ROOT, ct_instance, encapsulated_instance
from tests.e2e.conftest import NewUser, System
from tests.e2e.processes import PASSWORD, Client, client_of, embedded
from tests.e2e.test_no_patient_data_in_events import MEASURED, marked, marked_where_it_is_measured, singing
from tests.second_factor_support import code_of
from tests.waiting import eventually

OTHER = "another phrase of some words"
ELSEWHERE = {
    "cancel_job": "tests/integration/test_jobs.py",
    "resume_job": "tests/integration/test_jobs.py",
    "raise_job": "tests/integration/test_jobs.py",
    **dict.fromkeys(
        ("link_own_identity", "unlink_own_identity", "link_identity", "unlink_identity"),
        "tests/integration/test_oidc_accounts.py",
    ),
    "ask_for_password_link": "tests/integration/test_password_reset.py",
}
"""Acts that take what is not here or does not last, and where their entries are shown."""


class Acts:
    """Does things, each in a trace of its own, and knows which entry it must leave."""

    def __init__(self, client: Client, url: str) -> None:
        self.client = client
        self._url = url
        self.expected: dict[str, tuple[str, str]] = {}

    async def act(self, action: str, method: str, path: str, **sent: Any) -> Any:
        """One request that succeeds; its JSON."""
        trace = secrets.token_hex(16)
        headers = {
            **sent.pop("headers", self.client.headers),
            "traceparent": f"00-{trace}-{secrets.token_hex(8)}-01",
        }
        async with self.client.session.request(method, self._url + path, headers=headers, **sent) as answer:
            assert answer.status < 400, (action, await answer.text())
            self.expected[trace] = (action, "success")
            return await answer.json(content_type=None) if answer.status not in (204, 302) else None


async def entries(system: System, condition: str, *values: Any) -> list[dict[str, Any]]:
    """Sealed entries, in their order."""
    connection = await asyncpg.connect(system.database_url("auth"))
    try:
        query = f"SELECT to_jsonb(entry)::text FROM auth.audit_log AS entry WHERE {condition} ORDER BY seq"
        return [orjson.loads(row[0]) for row in await connection.fetch(query, *values)]
    finally:
        await connection.close()


def changing(folder: Path) -> set[str]:
    """Operations that change something, by the routers of all services."""
    Keyring.create(folder / "keyring.json")
    settings = {
        "data_dir": folder,
        "keyring_file": folder / "keyring.json",
        "database_url": SecretStr("postgresql://nobody@localhost/none"),
        "amqp_url": None,
    }
    app = allinone.create(settings, None)
    return {
        app[AUDIT_RULES][route.handler].action
        for route in app.router.routes()
        if route.method not in ("GET", "HEAD", "OPTIONS") and route.handler in app[AUDIT_RULES]
    }


async def administration(acts: Acts) -> None:
    """Everything that administrators do with accounts and groups."""
    auth = "/api/auth"
    group = (await acts.act("create_group", "POST", f"{auth}/groups", json={"name": secrets.token_hex(6)}))[
        "id"
    ]
    await acts.act("change_group", "PATCH", f"{auth}/groups/{group}", json={"mode": "view"})
    name = f"one-{secrets.token_hex(4)}"
    wanted = {"username": name, "password": PASSWORD, "must_change_password": False}
    user = f"{auth}/users/{(await acts.act('create_user', 'POST', f'{auth}/users', json=wanted))['id']}"
    await acts.act("change_user", "PATCH", user, json={"first_name": "One"})
    member = f"{auth}/groups/{group}/members/{user.rsplit('/', 1)[1]}"
    await acts.act("add_member", "PUT", member)
    await acts.act("remove_member", "DELETE", member)
    await acts.act("delete_group", "DELETE", f"{auth}/groups/{group}")
    await acts.act(
        "set_password", "PUT", f"{user}/password", json={"password": OTHER, "must_change_password": False}
    )
    await acts.act("unlock_user", "POST", f"{user}/unlock")
    credentials = {"username": name, "password": OTHER}
    for _ in range(2):
        await acts.act("login", "POST", f"{auth}/login", json=credentials, headers={})
    sessions = (await acts.act("list_user_sessions", "GET", f"{user}/sessions"))["sessions"]
    await acts.act("end_user_session", "DELETE", f"{user}/sessions/{sessions[0]['id']}")
    await acts.act("end_user_sessions", "DELETE", f"{user}/sessions")
    await acts.act("delete_user", "DELETE", user)
    service = {"username": f"service-{secrets.token_hex(4)}", "permissions": ["view_dicomresult"]}
    made = await acts.act("create_service_account", "POST", f"{auth}/service-accounts", json=service)
    renewed = await acts.act(
        "renew_service_account_secret", "POST", f"{auth}/service-accounts/{made['id']}/secret"
    )
    form = {
        "grant_type": "client_credentials",
        "client_id": made["client_id"],
        "client_secret": renewed["client_secret"],
    }
    await acts.act("token", "POST", f"{auth}/token", data=form, headers={})
    wanted = {"name": name, "redirect_uris": ["https://viewer.example.org/"], "confidential": True}
    made = await acts.act("create_application", "POST", f"{auth}/applications", json=wanted)
    application = f"{auth}/applications/{made['client_id']}"
    await acts.act("change_application", "PATCH", application, json={"name": f"{name} 2"})
    await acts.act("renew_application_secret", "POST", f"{application}/secret")
    await acts.act("delete_application", "DELETE", application)


async def self_service(acts: Acts, name: str) -> None:
    """What people do with their own account."""
    auth, credentials = "/api/auth", {"username": name, "password": PASSWORD}
    tokens = await acts.act("login", "POST", f"{auth}/login", json=credentials, headers={})
    mine = {"Authorization": f"Bearer {tokens['access_token']}"}
    await acts.act("change_me", "PATCH", f"{auth}/me", json={"language": "en"}, headers=mine)
    key = await acts.act(
        "create_api_key", "POST", f"{auth}/me/api-keys", json={"name": "k", "days": 2}, headers=mine
    )
    await acts.act("revoke_api_key", "DELETE", f"{auth}/me/api-keys/{key['id']}", headers=mine)
    key = await acts.act(
        "create_api_key", "POST", f"{auth}/me/api-keys", json={"name": "k", "days": 2}, headers=mine
    )
    await acts.act("revoke_api_key_of_any", "DELETE", f"{auth}/api-keys/{key['id']}")
    second = await acts.act("login", "POST", f"{auth}/login", json=credentials, headers={})
    sessions = (await acts.act("list_own_sessions", "GET", f"{auth}/me/sessions", headers=mine))["sessions"]
    other = next(one["id"] for one in sessions if not one["current"])
    await acts.act("end_own_session", "DELETE", f"{auth}/me/sessions/{other}", headers=mine)
    await acts.act(
        "logout", "POST", f"{auth}/logout", json={"refresh_token": second["refresh_token"]}, headers={}
    )
    third = await acts.act("login", "POST", f"{auth}/login", json=credentials, headers={})
    await acts.act(
        "sign_out_everywhere",
        "POST",
        f"{auth}/oidc/sign-out",
        json={"refresh_token": third["refresh_token"]},
        headers={},
    )
    fourth = await acts.act("login", "POST", f"{auth}/login", json=credentials, headers={})
    await application(acts, {"Authorization": f"Bearer {fourth['access_token']}"})
    change = {"current_password": PASSWORD, "new_password": OTHER}
    await acts.act("change_password", "PUT", f"{auth}/me/password", json=change, headers=mine)


async def application(acts: Acts, mine: dict[str, str]) -> None:
    """A program is let in by whom `mine` speaks for, leaves, and signs them out."""
    auth, verifier = "/api/auth", secrets.token_urlsafe(48)
    wanted = {"name": f"viewer {secrets.token_hex(4)}", "redirect_uris": [CALLBACK]}
    client = (await acts.act("create_application", "POST", f"{auth}/applications", json=wanted))["client_id"]
    asked = {
        "client_id": client,
        "redirect_uri": CALLBACK,
        "response_type": "code",
        "scope": "openid dicomweb",
        "code_challenge": challenge_of(verifier),
        "code_challenge_method": "S256",
        "decision": "allow",
    }
    path = f"{auth}/oauth/authorizations"
    answer = await acts.act("decide_authorization", "POST", path, json=asked, headers=mine)
    form = {
        "grant_type": "authorization_code",
        "client_id": client,
        "code": answer_in(answer["redirect_to"])["code"],
        "redirect_uri": CALLBACK,
        "code_verifier": verifier,
    }
    tokens = await acts.act("grant_tokens", "POST", f"{auth}/oauth/token", data=form, headers={})
    form = {"client_id": client, "token": tokens["refresh_token"]}
    await acts.act("revoke_grant", "POST", f"{auth}/oauth/revoke", data=form, headers={})
    path, form = f"{auth}/oauth/end-session", {"id_token_hint": tokens["id_token"]}
    await acts.act("end_session", "POST", path, data=form, headers={}, allow_redirects=False)


async def second_factor(acts: Acts) -> None:
    """What people do with their second factor, at the sign-in and beside it, and administrators with it."""
    auth, name = "/api/auth", f"two-{secrets.token_hex(4)}"
    credentials = {"username": name, "password": PASSWORD}
    wanted = {**credentials, "must_change_password": False}
    user_id = (await acts.act("create_user", "POST", f"{auth}/users", json=wanted))["id"]

    async def proved() -> tuple[dict[str, str], list[str]]:
        tokens = await acts.act("login", "POST", f"{auth}/login", json=credentials, headers={})
        mine = {"Authorization": f"Bearer {tokens['access_token']}"}
        password = {"password": PASSWORD}
        begun = await acts.act("begin_second_factor", "POST", f"{auth}/totp", json=password, headers=mine)
        code = {"code": code_of(begun["secret"])}
        path = f"{auth}/totp/confirm"
        found = await acts.act("confirm_second_factor", "POST", path, json=code, headers=mine)
        return mine, found["recovery_codes"]

    mine, codes = await proved()
    proof = {"password": PASSWORD, "code": codes[0]}
    path = f"{auth}/totp/recovery-codes"
    codes = (await acts.act("renew_recovery_codes", "POST", path, json=proof, headers=mine))["recovery_codes"]
    challenge = await acts.act("login", "POST", f"{auth}/login", json=credentials, headers={})
    answer = {"challenge_token": challenge["challenge_token"], "code": codes[0]}
    await acts.act("second_factor", "POST", f"{auth}/login/second-factor", json=answer, headers={})
    proof = {"password": PASSWORD, "code": codes[1]}
    await acts.act("remove_second_factor", "DELETE", f"{auth}/totp", json=proof, headers=mine)
    await proved()
    await acts.act("reset_second_factor", "DELETE", f"{auth}/users/{user_id}/totp")
    group = {"name": secrets.token_hex(6), "requires_second_factor": True}
    group_id = (await acts.act("create_group", "POST", f"{auth}/groups", json=group))["id"]
    member = {"groups": [group_id]}
    await acts.act("change_user", "PATCH", f"{auth}/users/{user_id}", json=member)
    challenge = await acts.act("login", "POST", f"{auth}/login", json=credentials, headers={})
    enrolled = {"challenge_token": challenge["challenge_token"]}
    await acts.act("enrol_at_sign_in", "POST", f"{auth}/login/enrol", json=enrolled, headers={})


async def forgotten_password(acts: Acts) -> None:
    """How somebody comes by another password."""
    auth, name = "/api/auth", f"lost-{secrets.token_hex(4)}"
    wanted = {"username": name, "password": PASSWORD}
    user_id = (await acts.act("create_user", "POST", f"{auth}/users", json=wanted))["id"]
    link = await acts.act("make_password_link", "POST", f"{auth}/users/{user_id}/password-link")
    reset = {"token": link["url"].partition("#")[2], "password": OTHER}
    await acts.act("reset_password", "POST", f"{auth}/password/reset", json=reset, headers={})


async def files(acts: Acts, sender: Client) -> None:
    """What happens to files, their shares and links."""

    async def send(content: bytes, name: str = "a.dcm") -> str:
        form = FormData()
        form.add_field("file", content, filename=name)
        body = await acts.act("upload_files", "POST", "/api/files", data=form, headers=sender.headers)
        file_id: str = body["files"][0]["id"]
        await sender.ended(file_id)
        return file_id

    mine = {"headers": sender.headers}
    seed = secrets.randbelow(10**6)
    file_id = await send(ct_instance(seed=seed))
    await acts.act("upload_files", "POST", "/api/files", data=ct_instance(seed=seed), headers={
        **sender.headers, "Content-Type": "application/dicom"})  # fmt: skip
    await acts.act("store_instances", "POST", "/dicom-web/studies", data=ct_instance(seed=seed), headers={
        **sender.headers, "Content-Type": "application/dicom"})  # fmt: skip
    await acts.act("get_result", "GET", f"/api/results/{file_id}", **mine)
    collection = (await acts.act("get_file", "GET", f"/api/files/{file_id}", **mine))["collection"]
    await acts.act("move_file", "PATCH", f"/api/files/{file_id}", json={"collection": collection}, **mine)
    share = {"grantee": {"user": 999_999}, "file_id": file_id, "mode": "view"}
    made = await acts.act("create_share", "POST", "/api/shares", json=share, **mine)
    await acts.act("delete_share", "DELETE", f"/api/shares/{made['id']}", **mine)
    link = await acts.act(
        "create_link", "POST", "/api/links", json={"file_id": file_id, "seconds": 600}, **mine
    )
    opened = {"json": {"token": link["token"]}, "headers": {}}
    await acts.act("open_link", "POST", "/api/links/session", **opened)
    await acts.act("close_link", "DELETE", "/api/links/session", headers={})
    await acts.act("delete_link", "DELETE", f"/api/links/{link['id']}", **mine)
    uid = f"{UID_ROOT}.35.{seed}"
    broken = await send(encapsulated_instance([b"", secrets.token_bytes(600)], SOPInstanceUID=uid))
    await acts.act("retry_result", "POST", f"/api/results/{broken}/retry", **mine)
    again = {"action": "retry", "where": {"modality": "XX"}}
    await acts.act("begin_action", "POST", "/api/results/actions", json=again, **mine)


async def peers(acts: Acts) -> None:
    """Who may send by DIMSE."""
    _, me = await acts.client.get("/api/auth/me")
    peer = {"ae_title": "AUDITED", "addresses": ["192.0.2.7"], "account_id": me["user_id"]}
    made = await acts.act("create_peer", "POST", "/api/peers", json=peer)
    await acts.act("change_peer", "PATCH", f"/api/peers/{made['id']}", json={"active": False})
    await acts.act("delete_peer", "DELETE", f"/api/peers/{made['id']}")


async def processing(acts: Acts) -> None:
    """What operators do."""
    job = {"where": {"state": "failed", "modality": "XX"}}
    await acts.act("create_job", "POST", "/api/processing/jobs", json=job)
    for act in ("pause", "resume"):
        await acts.act(f"{act}_queue", "POST", f"/api/processing/queues/processor.urgent/{act}")
    for fate in ("replay", "drop"):
        path = f"/api/processing/dead/{fate}"
        await acts.act(f"{fate}_dead_letters", "POST", path, json={"ids": ["none"]})


@pytest.mark.parametrize("system", ["embedded"], indirect=True)
async def test_every_act_that_succeeds_leaves_exactly_its_entry(
    system: System, new_user: NewUser, tmp_path: Path
) -> None:
    async with client_of(system.urls) as client:
        await client.login()
        acts = Acts(client, system.urls["portal"])
        sender = await new_user()
        name = f"self-{secrets.token_hex(4)}"
        await asyncio.to_thread(system.create_user, name)
        await administration(acts)
        await self_service(acts, name)
        await second_factor(acts)
        await forgotten_password(acts)
        await files(acts, sender)
        await peers(acts)
        await processing(acts)
        # Without an entry for its success, which these do not leave.
        silent = {"refresh", "authorize", "user_info"}
        done = {action for action, _ in acts.expected.values()}
        assert changing(tmp_path) - done - silent == set(ELSEWHERE), "name what a new route leaves here"

        async def found() -> dict[str, list[tuple[str, str]]]:
            rows = await entries(system, "trace_id = ANY ($1)", list(acts.expected))
            traces: dict[str, list[tuple[str, str]]] = {trace: [] for trace in acts.expected}
            for row in rows:
                traces[row["trace_id"]].append((row["action"], row["ending"]))
            return traces

        async def all_sealed() -> bool:
            return all((await found()).values())

        await eventually(all_sealed)
        assert await found() == {trace: [entry] for trace, entry in acts.expected.items()}


async def test_no_entry_carries_text_of_a_header_or_a_file_name(system: System, new_user: NewUser) -> None:
    client = await new_user()
    contents = [
        marked(100),
        *(marked_where_it_is_measured(k, 101 + n) for n, k in enumerate(MEASURED)),
        b"none",
    ]
    _, body = await client.upload(*(("CANARY^NAME.dcm", content) for content in contents))
    ids = [one["id"] for one in body["files"] if one["id"]]
    url = client.urls["results"]
    await client.ended(ids[0])
    for path in (
        *(f"/{ids[0]}{part}" for part in ("", "/log", "/thumbnail", "/frame-means", "/file")),
        "?q=CANARY",
        "/CANARY^NAME",
    ):
        async with client.session.get(f"{url}/api/results{path}", headers=client.headers) as answer:
            await answer.read()

    async def told() -> list[dict[str, Any]]:
        return await entries(system, "objects && $1::text[]", ids)

    async def all_told() -> bool:
        return {"upload_files", "get_file", "get_thumbnail"} <= {one["action"] for one in await told()}

    await eventually(all_told)
    everything = await entries(system, "true")
    assert singing(orjson.dumps(everything).decode()) == set()
    [thumbnail] = [one for one in await told() if one["action"] == "get_thumbnail"]
    assert thumbnail["studies"] == [f"{UID_ROOT}.16"]


@pytest.mark.faults
async def test_kill_9_between_act_and_seal_loses_nothing(tmp_path: Path) -> None:
    process = embedded(tmp_path / "var")
    urls = dict.fromkeys(("auth", "ingest", "results", "portal"), process.url)
    accepted: list[str] = []
    try:
        for round_ in range(3):
            process.start()
            await process.ready()
            async with client_of(urls) as client:
                await client.login()
                for number in range(8):
                    _, body = await client.upload(("a.dcm", ct_instance(seed=1000 * round_ + number)))
                    accepted.append(body["files"][0]["id"])
            process.kill()
        process.start()
        await process.ready()
        sockets = postgres_folder.socket_folder(tmp_path / "var")
        connection = await asyncpg.connect(postgres_folder.url(sockets, "bddicomimage", "auth"))
        try:

            async def sealed() -> bool:
                return not await connection.fetchval("SELECT count(*) FROM auth.audit_pending")

            await eventually(sealed)
            rows = await connection.fetch(
                "SELECT objects[1] AS id FROM auth.audit_log WHERE action = 'upload_files' ORDER BY seq"
            )
            assert [row["id"] for row in rows] == accepted
            assert await connection.fetchval("SELECT count(*) = max(seq) FROM auth.audit_log")
        finally:
            await connection.close()
    finally:
        process.stop()
