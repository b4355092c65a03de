"""A second factor over HTTP on a real PostgreSQL: what an attacker tries who knows the password."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from libs.common.database.postgres import Connection
from libs.common.encryption.keyring import Keyring
from libs.common.http.client import parse_networks
from tests.auth_support import ADMIN, Client, Start, bearer, me, refresh, sign_in
from tests.exposition import Exposition
from tests.second_factor_support import PASSWORD, Person, code_of
from tests.waiting import eventually

PROXY = {"trusted_proxies": parse_networks("127.0.0.0/8")}


@pytest.fixture
def keyring_file(tmp_path: Path) -> Path:
    Keyring.create(tmp_path / "auth.json")
    return tmp_path / "auth.json"


@pytest.fixture
async def client(start_auth: Start, keyring_file: Path) -> Client:
    return await start_auth(auth_keyring_file=keyring_file, **PROXY)


@pytest.fixture
async def admin(client: Client) -> Person:
    """The first administrator, with an authenticator."""
    person = Person(client)
    await person.set_up()
    return person


async def make(client: Client, token: str, name: str, **more: Any) -> int:
    wanted = {"username": name, "password": PASSWORD, "must_change_password": False, **more}
    async with client.post("/api/auth/users", json=wanted, headers=bearer(token)) as answer:
        assert answer.status == 201, await answer.text()
        user_id: int = (await answer.json())["id"]
        return user_id


async def sessions(sql: Connection) -> int:
    found: int = await sql.fetchval("SELECT count(*) FROM auth.auth_session WHERE revoked_at IS NULL")
    return found


async def looked_at(client: Client) -> float:
    """How many codes were compared and found wrong."""
    async with client.get("/metrics") as answer:
        samples = Exposition(await answer.text()).samples
    return next(
        sample.value
        for sample in samples
        if sample.name == "auth_sign_ins_total" and sample.labels == {"outcome": "wrong_code"}
    )


async def test_a_session_begins_after_the_second_step_only(admin: Person, sql: Connection) -> None:
    before = await sessions(sql)
    status, found = await admin.login()
    assert status == 202
    assert set(found) == {"challenge_token", "expires_in", "methods"}
    assert (found["expires_in"], found["methods"]) == (300, ["totp", "recovery_code"])
    assert await sessions(sql) == before
    status, tokens = await admin.complete(found["challenge_token"], admin.code())
    assert (status, set(tokens)) == (200, {"access_token", "token_type", "expires_in", "refresh_token"})
    assert await sessions(sql) == before + 1
    assert (await me(admin.client, tokens["access_token"]))[0] == 200
    # Used is used.
    assert await admin.complete(found["challenge_token"], admin.code()) == (
        401,
        _problem("challenge-over"),
    )
    assert (await refresh(admin.client, tokens["refresh_token"]))[0] == 200


class _problem:
    """Equal to a problem document with this code."""

    def __init__(self, code: str) -> None:
        self.code = code

    def __eq__(self, other: object) -> bool:
        return isinstance(other, dict) and other.get("code") == self.code

    __hash__ = None  # type: ignore[assignment]


async def test_each_kind_of_token_opens_its_own_door_only(admin: Person) -> None:
    challenge = await admin.challenge()
    assert await admin.post("/me", None, challenge, "GET") == (401, _problem("token-invalid"))
    assert (await refresh(admin.client, challenge))[0] == 400
    cookies = {"Cookie": f"dicom_access={challenge}"}
    async with admin.client.get("/api/auth/me", headers=cookies) as answer:
        assert answer.status == 401
    status, tokens = await admin.complete(challenge, admin.code())
    assert status == 200
    for token in (tokens["access_token"], tokens["refresh_token"], challenge[:-3] + "AAA", "x", "a.b.c"):
        assert await admin.complete(token, admin.code()) == (401, _problem("challenge-over"))
        assert await admin.post("/login/enrol", {"challenge_token": token}) == (
            401,
            _problem("challenge-over"),
        )


async def test_a_code_counts_once_however_many_use_it_at_a_time(admin: Person, sql: Connection) -> None:
    challenges = [await admin.challenge() for _ in range(4)]
    code = admin.code()
    found = await asyncio.gather(*(admin.complete(challenge, code) for challenge in challenges))
    assert sorted(status for status, _ in found) == [200, 401, 401, 401]
    assert [problem["code"] for status, problem in found if status == 401] == ["wrong-code"] * 3
    # The code of a step before the one that was used is as old.
    for old in (code, code_of(admin.secret)):
        assert await admin.complete(await admin.challenge(), old) == (401, _problem("wrong-code"))
    assert await sql.fetchval("SELECT count(*) FROM auth.auth_session WHERE proof = 'second-factor'") == 2


async def test_a_challenge_becomes_one_session_whatever_proves_it(admin: Person, sql: Connection) -> None:
    before, challenge = await sessions(sql), await admin.challenge()
    codes = [admin.code(), *admin.recovery_codes[:3]]
    found = await asyncio.gather(*(admin.complete(challenge, code) for code in codes))
    assert sorted(status for status, _ in found) == [200, 401, 401, 401]
    assert await sessions(sql) == before + 1
    # Codes that came to nothing are good still.
    left = await sql.fetchval("SELECT count(*) FROM auth.recovery_code")
    assert left >= 9


async def test_a_recovery_code_counts_once(admin: Person, sql: Connection) -> None:
    code = admin.recovery_codes[0]
    assert len(set(admin.recovery_codes)) == 10
    challenges = [await admin.challenge() for _ in range(3)]
    found = await asyncio.gather(*(admin.complete(one, code.upper().replace("-", " ")) for one in challenges))
    assert sorted(status for status, _ in found) == [200, 401, 401]
    token = next(body["access_token"] for status, body in found if status == 200)
    _, state = await admin.post("/totp", None, token, "GET")
    assert (state["enabled"], state["recovery_codes_left"], state["required"]) == (True, 9, False)
    kept = await sql.fetch("SELECT code_hash FROM auth.recovery_code")
    assert all(row["code_hash"].startswith("$argon2id$") for row in kept)
    proof = {"password": admin.password, "code": admin.code()}
    status, new = await admin.post("/totp/recovery-codes", proof, token)
    assert (status, len(new["recovery_codes"])) == (200, 10)
    stale = await admin.complete(await admin.challenge(), admin.recovery_codes[1])
    assert stale == (401, _problem("wrong-code"))
    assert (await admin.complete(await admin.challenge(), new["recovery_codes"][0]))[0] == 200


async def test_of_many_guesses_from_many_addresses_few_are_looked_at(admin: Person) -> None:
    """Whoever knows the password needs some 230,000 guesses for an even chance."""
    home = Person(admin.client, address="203.0.113.9", secret=admin.secret)
    home.recovery_codes = admin.recovery_codes
    assert (await home.complete(await home.challenge(), home.recovery_codes[0]))[0] == 200
    thieves = [Person(admin.client, address=f"198.51.100.{n}") for n in range(60)]
    challenge = await thieves[0].challenge()
    found = await asyncio.gather(*(thief.complete(challenge, "000000") for thief in thieves))
    assert {status for status, _ in found} == {401, 429}
    looked = sum(status == 401 for status, _ in found)
    assert looked == await looked_at(admin.client) <= 6
    # The right password starts nothing anew, and the right code waits as well.
    again = await Person(admin.client, address="198.51.100.99").challenge()
    thief = Person(admin.client, address="198.51.100.99")
    assert await thief.complete(again, admin.code()) == (429, _problem("too-many-requests"))
    # Its owner, at home, does not.
    assert (await home.complete(await home.challenge(), admin.code()))[0] == 200
    # Nor are there more guesses at home than elsewhere.
    near = await home.challenge()
    found = await asyncio.gather(*(home.complete(near, "000000") for _ in range(40)))
    assert sum(status == 401 for status, _ in found) <= 6


async def test_an_administrator_lets_the_owner_try_again(admin: Person, client: Client) -> None:
    user_id = await make(client, await admin.signed_in(), "ana")
    ana = Person(client, "ana", PASSWORD, "198.51.100.1")
    await ana.set_up()
    thief = Person(client, "ana", PASSWORD, "198.51.100.2")
    challenge = await thief.challenge()
    while (await thief.complete(challenge, "000000"))[0] != 429:
        pass
    token = await admin.signed_in()
    assert (await admin.post(f"/users/{user_id}/unlock", None, token))[0] == 204
    assert (await thief.complete(challenge, ana.code()))[0] == 200


@pytest.mark.parametrize(
    "ended",
    [
        "PUT /users/{id}/password",
        "DELETE /users/{id}/sessions",
        "PATCH /users/{id}",
        "DELETE /users/{id}/totp",
        "UPDATE auth.sign_in_challenge SET expires_at = now()",
        "UPDATE auth.auth_user SET password_changed_at = now()",
        "UPDATE auth.auth_user SET is_active = false",
    ],
)
async def test_a_challenge_dies_with_what_it_rests_on(
    admin: Person, client: Client, sql: Connection, ended: str
) -> None:
    token = await admin.signed_in()
    user_id = await make(client, token, "ana")
    ana = Person(client, "ana", PASSWORD)
    await ana.set_up()
    challenge, before = await ana.challenge(), await sessions(sql)
    if ended.startswith("UPDATE"):
        await sql.execute(ended)
    else:
        method, path = ended.format(id=user_id).split(" ")
        body = {"PUT": {"password": "another phrase of words"}, "PATCH": {"is_active": False}}.get(method)
        status, problem = await admin.post(path, body, token, method)
        assert status in (200, 204), problem
    assert await ana.complete(challenge, ana.code()) == (401, _problem("challenge-over"))
    assert await ana.post("/login/enrol", {"challenge_token": challenge}) == (401, _problem("challenge-over"))
    assert await sessions(sql) <= before


async def test_a_password_that_changes_at_this_very_moment_begins_nothing(
    client: Client, sql: Connection
) -> None:
    changing = sql.transaction()
    await changing.start()
    await sql.execute("UPDATE auth.auth_user SET password_changed_at = now() + interval '1 s'")
    attempt = asyncio.create_task(Person(client).login())

    async def waits() -> bool:
        found = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND usename = 'auth'"
        return bool(await sql.fetchval(found))

    await eventually(waits)
    await changing.commit()
    assert await attempt == (401, _problem("wrong-credentials"))
    assert await sessions(sql) == 0


async def test_who_must_have_one_sets_it_up_while_signing_in(
    admin: Person, client: Client, sql: Connection
) -> None:
    token = await admin.signed_in()
    status, group = await admin.post("/groups", {"name": "heart", "requires_second_factor": True}, token)
    assert (status, group["requires_second_factor"]) == (201, True)
    user_id = await make(client, token, "ana")
    ana = Person(client, "ana", PASSWORD)
    former = await sign_in(client, username="ana", password=PASSWORD)
    assert (await admin.post(f"/users/{user_id}", {"groups": [group["id"]]}, token, "PATCH"))[0] == 200
    # A session that was begun with less ends as soon as it is renewed.
    assert (await refresh(client, former["refresh_token"]))[0] == 401
    status, found = await ana.login()
    assert (status, found["methods"]) == (202, ["enrol"])
    challenge = found["challenge_token"]
    assert await ana.complete(challenge, "000000") == (401, _problem("wrong-code"))
    status, made = await ana.post("/login/enrol", {"challenge_token": challenge})
    assert (status, set(made)) == (200, {"secret", "otpauth_uri", "qr_svg", "qr"})
    assert await sql.fetchval("SELECT count(*) FROM auth.recovery_code WHERE user_id = $1", user_id) == 0
    code = code_of(made["secret"])
    found = await asyncio.gather(*(ana.complete(challenge, code) for _ in range(3)))
    assert sorted(status for status, _ in found) == [200, 401, 401]
    tokens = next(body for status, body in found if status == 200)
    assert len(tokens["recovery_codes"]) == 10
    assert (await refresh(client, tokens["refresh_token"]))[0] == 200
    # Whoever knows the password alone does not replace it.
    status, found = await ana.login()
    assert (status, found["methods"]) == (202, ["totp", "recovery_code"])
    again = await ana.post("/login/enrol", {"challenge_token": found["challenge_token"]})
    assert again == (401, _problem("challenge-over"))
    ana.secret = made["secret"]
    proof = {"password": PASSWORD, "code": ana.code()}
    assert await ana.post("/totp", proof, tokens["access_token"], "DELETE") == (
        403,
        _problem("second-factor-required"),
    )
    _, state = await ana.post("/totp", None, tokens["access_token"], "GET")
    assert (state["enabled"], state["required"]) == (True, True)


async def test_an_authenticator_that_was_not_confirmed_is_not_asked_for(client: Client) -> None:
    admin = Person(client)
    token = (await sign_in(client))["access_token"]
    assert await admin.post("/totp", {"password": "wrong"}, token) == (401, _problem("wrong-credentials"))
    _, first = await admin.post("/totp", {"password": admin.password}, token)
    _, second = await admin.post("/totp", {"password": admin.password}, token)
    assert first["secret"] != second["secret"]
    for body in ({"code": code_of(first["secret"])}, {"code": "000000"}, {"code": "no code"}):
        assert await admin.post("/totp/confirm", body, token) == (401, _problem("wrong-code"))
    assert (await admin.login())[0] == 200
    _, state = await admin.post("/totp", None, token, "GET")
    assert state == {"enabled": False, "confirmed_at": None, "recovery_codes_left": 0, "required": False}
    assert await admin.post("/totp", {"password": admin.password, "code": "000000"}, token, "DELETE") == (
        404,
        _problem("not-found"),
    )


async def test_switching_it_on_ends_what_began_without_it(client: Client) -> None:
    admin, elsewhere = Person(client), await sign_in(client)
    token = await admin.set_up()
    assert (await refresh(client, elsewhere["refresh_token"]))[0] == 401
    assert (await me(client, token))[0] == 200
    assert await admin.post("/totp", {"password": admin.password}, token) == (
        409,
        _problem("second-factor-set"),
    )
    proof = {"password": admin.password, "code": admin.code()}
    for wrong in ({**proof, "password": "wrong"}, {**proof, "code": "000000"}):
        assert (await admin.post("/totp", wrong, token, "DELETE"))[0] == 401
    assert (await admin.post("/totp", proof, token, "DELETE"))[0] == 204
    assert (await admin.login())[0] == 200


async def test_taking_somebodys_away_takes_power_over_them(admin: Person, client: Client) -> None:
    token = await admin.signed_in()
    groups = (await admin.post("/groups", None, token, "GET"))[1]["groups"]
    ready_made = {one["name"]: one["id"] for one in groups}
    lesser_id = await make(client, token, "lesser", permissions=["change_user"])
    user_id = await make(client, token, "ana", groups=[ready_made["radiologist"]])
    ana, lesser = Person(client, "ana", PASSWORD), Person(client, "lesser", PASSWORD)
    await ana.set_up()
    theirs, mine = await ana.signed_in(), (await sign_in(client, username="lesser", password=PASSWORD))
    for victim in (user_id, 1):
        refused = await lesser.post(f"/users/{victim}/totp", None, mine["access_token"], "DELETE")
        assert refused == (403, _problem("permission-denied"))
    # One's own takes a code, whoever one is.
    assert (await admin.post("/users/1/totp", None, token, "DELETE"))[0] == 403
    assert (await admin.post(f"/users/{lesser_id}/totp", None, token, "DELETE"))[0] == 404
    assert (await admin.post(f"/users/{user_id}/totp", None, token, "DELETE"))[0] == 204
    assert (await ana.login())[0] == 200
    entries = (await admin.post("/admin-log?limit=1", None, token, "GET"))[1]["entries"]
    assert "second_factor" in entries[0]["change_message"]
    await eventually(lambda: _is_refused(client, theirs))


async def _is_refused(client: Client, token: str) -> bool:
    return (await me(client, token))[0] == 401


async def test_members_do_not_loosen_what_is_demanded_of_them(admin: Person, client: Client) -> None:
    token = await admin.signed_in()
    _, group = await admin.post("/groups", {"name": "heart"}, token)
    await make(client, token, "ana", groups=[group["id"]], permissions=["change_group", "delete_group"])
    mine = (await sign_in(client, username="ana", password=PASSWORD))["access_token"]
    path, demand = f"/groups/{group['id']}", {"requires_second_factor": True}
    assert (await admin.post(path, demand, token, "PATCH"))[1]["requires_second_factor"] is True
    assert (await admin.post(path, {"name": "heart 2"}, token, "PATCH"))[1]["requires_second_factor"] is True
    loosen = {"requires_second_factor": False}
    assert await Person(client).post(path, loosen, mine, "PATCH") == (409, _problem("conflict"))
    assert await Person(client).post(path, None, mine, "DELETE") == (409, _problem("conflict"))
    assert (await admin.post(path, loosen, token, "PATCH"))[1]["requires_second_factor"] is False


async def test_machines_are_not_asked(admin: Person, client: Client) -> None:
    token = await admin.signed_in()
    _, made = await admin.post("/me/api-keys", {"name": "script", "days": 1}, token)
    key = made["key"]
    assert (await me(client, key))[0] == 200
    for method, path, body in (
        ("GET", "/totp", None),
        ("POST", "/totp", {"password": admin.password}),
        ("POST", "/totp/confirm", {"code": "000000"}),
        ("POST", "/totp/recovery-codes", {"password": admin.password, "code": "000000"}),
        ("DELETE", "/totp", {"password": admin.password, "code": "000000"}),
    ):
        assert (await admin.post(path, body, key, method))[0] == 403, path


async def test_cookies_come_with_the_second_step(admin: Person) -> None:
    step = {"challenge_token": await admin.challenge(), "code": admin.code(), "cookie": True}
    foreign = await admin.post("/login/second-factor", step, Origin="https://evil.example")
    assert foreign == (403, _problem("permission-denied"))
    answer = await admin.client.post("/api/auth/login/second-factor", json=step)
    assert answer.status == 200
    assert set(answer.cookies) == {"dicom_access", "dicom_refresh"}
    assert await answer.json() == {"token_type": "Cookie", "expires_in": 600}


async def test_seeds_outlive_a_rotation_of_keys(
    admin: Person, client: Client, start_auth: Start, keyring_file: Path, tmp_path: Path, sql: Connection
) -> None:
    former = Keyring.load(keyring_file)
    user_id = await make(client, await admin.signed_in(), "ana")
    ana = Person(client, "ana", PASSWORD)
    await ana.set_up()
    sealed = await sql.fetchrow("SELECT key_reference, seed FROM auth.totp WHERE user_id = $1", user_id)
    assert sealed is not None
    assert sealed["key_reference"] == former.current
    assert ana.secret.encode() not in sealed["seed"]
    other = tmp_path / "other.json"
    Keyring.create(other)
    lacking = Person(await start_auth(auth_keyring_file=other), "ana", PASSWORD)
    # Without the key nobody gets in, rather than by the password alone.
    assert (await lacking.complete(await lacking.challenge(), ana.code()))[0] == 503
    # One that was altered keeps no other from being renewed.
    await sql.execute("UPDATE auth.totp SET seed = decode(repeat('00', 60), 'hex') WHERE user_id = 1")
    rotated = tmp_path / "rotated.json"
    rotated.write_bytes(_joined(other, keyring_file))
    rotated.chmod(0o600)
    current = Keyring.load(other).current
    after = Person(await start_auth(auth_keyring_file=rotated), "ana", PASSWORD)

    async def renewed() -> bool:
        found = "SELECT key_reference = $1 FROM auth.totp WHERE user_id = $2"
        return bool(await sql.fetchval(found, current, user_id))

    await eventually(renewed)
    assert (await after.complete(await after.challenge(), ana.code()))[0] == 200
    # Only the new key is needed from now on.
    await sql.execute("UPDATE auth.totp SET last_step = 0")
    assert (await lacking.complete(await lacking.challenge(), ana.code()))[0] == 200


def _joined(current: Path, former: Path) -> bytes:
    import orjson

    one, two = orjson.loads(current.read_bytes()), orjson.loads(former.read_bytes())
    return orjson.dumps({"current": one["current"], "keys": {**two["keys"], **one["keys"]}})


async def test_a_seed_opens_for_its_own_account_only(admin: Person, client: Client, sql: Connection) -> None:
    """Who writes to the database puts the seed that they know into the row of another."""
    await make(client, await admin.signed_in(), "ana")
    ana = Person(client, "ana", PASSWORD)
    await ana.set_up()
    await sql.execute(
        "UPDATE auth.totp SET seed = (SELECT seed FROM auth.totp WHERE user_id <> 1), last_step = 0"
        " WHERE user_id = 1"
    )
    assert (await admin.complete(await admin.challenge(), ana.code()))[0] == 500


async def test_without_a_keyring_nothing_is_demanded_that_nobody_can_give(start_auth: Start) -> None:
    client = await start_auth()
    admin, token = Person(client), (await sign_in(client))["access_token"]
    for method, path in (("POST", "/groups"), ("PATCH", "/groups/5")):
        found = await admin.post(path, {"name": "heart", "requires_second_factor": True}, token, method)
        assert found == (409, _problem("no-second-factors"))
    assert (await admin.post("/totp", {"password": admin.password}, token))[0] == 503


async def test_each_act_is_noted_and_no_secret_with_it(
    client: Client, sql: Connection, keyring_file: Path
) -> None:
    admin = Person(client)
    token = await admin.set_up()
    challenge = await admin.challenge()
    await admin.complete(challenge, "000000")
    used = admin.code()
    assert (await admin.complete(challenge, used))[0] == 200
    proof = {"password": admin.password, "code": admin.recovery_codes[0]}
    _, renewed = await admin.post("/totp/recovery-codes", proof, token)
    proof["code"] = renewed["recovery_codes"][0]
    assert (await admin.post("/totp", proof, token, "DELETE"))[0] == 204
    expected = [
        ("login", "success", "session"),
        ("begin_second_factor", "success", "user"),
        ("confirm_second_factor", "success", "user"),
        ("login", "success", "challenge"),
        ("second_factor", "refused", "user"),
        ("second_factor", "success", "session"),
        ("renew_recovery_codes", "success", "user"),
        ("remove_second_factor", "success", "user"),
    ]
    query = """SELECT action, ending, object_type, actor, details::text FROM auth.audit_log
        WHERE actor = 'user:1' OR ending = 'refused' ORDER BY at"""

    async def noted() -> bool:
        rows = await sql.fetch(query)
        return [tuple(row)[:3] for row in rows] == expected

    await eventually(noted)
    text = str(await sql.fetch("SELECT * FROM auth.audit_log"))
    for secret in (admin.secret, used, challenge, *admin.recovery_codes, ADMIN["password"]):
        assert secret not in text
