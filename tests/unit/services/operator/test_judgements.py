"""What the doctor makes of what it has measured."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from libs.common.bus.inspection import Depth
from libs.common.bus.topology import TOPOLOGY
from libs.common.encryption.keyring_content import KeyringContent
from services.auth.provider.models import ApplicationEntry
from services.auth.sessions.models import SigningKeyTimes
from services.operator.doctor import (
    broker_account,
    certificates,
    clock,
    configuration,
    isolation,
    places,
    queues,
)
from services.operator.doctor.applications import judge_applications
from services.operator.doctor.places import KEY_DAYS, judge_keys
from services.operator.doctor.report import Finding, as_json, as_text, exit_code
from services.operator.doctor.settings import DoctorSettings
from services.operator.doctor.signing_keys import judge_signing_keys

NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize("missing", [[], ["landlock"], ["landlock", "seccomp"]])
def test_what_a_kernel_lacks_is_told_with_what_to_do(missing: list[str]) -> None:
    findings = isolation.check(lambda: missing)
    assert [finding.level for finding in findings] == (["warning"] * len(missing) or ["ok"])
    for part, finding in zip(missing, findings, strict=False):
        assert part in finding.what
        assert finding.advice


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("DATABSE_URL", "DATABASE_URL"),
        ("DATABASE_URI", "DATABASE_URL"),
        ("AMPQ_URL", "AMQP_URL"),
        ("KEYRING_FILES", "KEYRING_FILE"),
        ("OTEL_EXPORTER_OTLP_ENDPOINTS", "OTEL_EXPORTER_OTLP_ENDPOINT"),
    ],
)
def test_misspelt_variables_are_recognised(name: str, meant: str) -> None:
    assert configuration.misspelt([name]) == {name: meant}


@pytest.mark.parametrize(
    "name",
    [
        *("PATH", "HOME", "HOSTNAME", "PGPASSWORD", "TEST_DATABASE_URL", "CORPUS_DIR", "INGEST_PORT"),
        *("AUTH_SERVICE_HOST", "POSTGRES_PASSWORD", "AMQP_PASSWORD", "AUTH_PASSWORD", "AMQP_URL"),
    ],
)
def test_other_variables_are_not(name: str) -> None:
    assert configuration.misspelt([name]) == {}


@given(st.sampled_from(sorted(configuration.known_names())))
def test_no_setting_passes_for_misspelt(name: str) -> None:
    assert configuration.misspelt([name]) == {}


def depths(**changed: tuple[int | None, int]) -> list[Depth]:
    """The whole topology, empty and served; else as given: `processor_urgent=(messages, consumers)`."""
    named = {name.replace("_", "."): value for name, value in changed.items()}
    return [Depth(queue.name, *named.get(queue.name, (0, 1))) for queue in TOPOLOGY.queues()]


def levels(findings: list[Finding]) -> set[str]:
    return {finding.level for finding in findings}


@pytest.mark.parametrize(
    ("user", "anything", "ours", "level", "said"),
    [
        ("operator", False, True, "ok", "operator may declare the queues of this system and nothing else."),
        ("results", False, False, "ok", "results may declare nothing"),
        ("results", False, None, "ok", "results may not declare whatever it likes."),
        ("guest", True, True, "note", "too much for each"),
        ("dicom", False, True, "warning", "each could forge the others' events"),
        ("dicom", True, True, "warning", "each could forge the others' events"),
    ],
)
def test_the_account_of_the_broker(
    user: str, anything: bool, ours: bool | None, level: str, said: str
) -> None:
    found = broker_account.judge(user, anything=anything, ours=ours)
    assert found.level == level
    assert said in found.what
    assert (found.advice is None) == (level == "ok")


def test_queues() -> None:
    assert levels(queues.judge(depths(), TOPOLOGY)) == {"ok"}
    # Nobody there, and nothing to do: processors scaled to zero.
    assert levels(queues.judge(depths(processor_urgent=(0, 0)), TOPOLOGY)) == {"ok"}
    assert levels(queues.judge(depths(processor_urgent=(5, 2)), TOPOLOGY)) == {"ok"}
    for changed, told in (
        ({"processor_urgent": (5, 0)}, "5 messages wait in processor.urgent, and nobody takes them."),
        ({"results_files_dead": (1, 0)}, "results.files.dead holds 1 messages that nobody could read."),
        ({"ingest_outcomes": (None, 0)}, "Queues are missing: ingest.outcomes."),
    ):
        problems = [f for f in queues.judge(depths(**changed), TOPOLOGY) if f.level == "problem"]
        assert [problem.what for problem in problems] == [told]
        assert problems[0].advice is not None


def test_what_the_release_before_left_is_told() -> None:
    found = [*depths(), Depth("processor.files", 3, 0), Depth("processor.files.retry.1s", 1, 0)]
    (told,) = (finding for finding in queues.judge(found, TOPOLOGY) if "processor.files" in finding.what)
    assert told.level == "ok"
    assert told.what == "processor.files: 3 wait for the end of the release before, 0 consumers."


def test_certificates_end() -> None:
    def level(left: timedelta) -> str:
        return certificates.judge("It", NOW + left, NOW).level

    assert level(timedelta(days=-1)) == level(timedelta()) == "problem"
    assert level(timedelta(days=13)) == "warning"
    assert level(timedelta(days=90)) == "ok"


def test_every_verified_peer_is_visited_once() -> None:
    settings = DoctorSettings(
        database_url=SecretStr("postgresql://u:p@db/x?sslmode=verify-full&sslrootcert=/own/CA.crt"),
        ingest_database_url=SecretStr("postgresql://ingest@db:5432/x?sslmode=verify-full"),
        results_database_url=SecretStr("postgresql://results@other:6000/x?sslmode=verify-ca"),
        amqp_url=SecretStr("amqps://u:p@[::1]/dicom"),
        storage_url="mongodb://u:p@one,two:27018/x?tls=true",
        auth_jwks_url="https://auth:8443/api/auth/jwks.json",
        otel_exporter_otlp_endpoint="http://collector:4318",
        tls_ca_file=Path("/the/ca.crt"),
    )
    found = certificates.peers(settings)
    assert [(peer.host, peer.port) for peer in found] == [
        *(("db", 5432), ("other", 6000), ("::1", 5671), ("one", 27017), ("two", 27018), ("auth", 8443)),
    ]
    assert [peer.ca_file for peer in found] == [Path("/own/CA.crt"), *[Path("/the/ca.crt")] * 5]
    assert [peer.host for peer in found if not peer.checks_name] == ["other"]


def test_clocks_agree_within_what_cannot_be_told() -> None:
    def level(apart: float, doubt: float) -> str:
        return clock.judge(NOW, NOW + timedelta(seconds=apart), "x", timedelta(seconds=doubt)).level

    assert level(0, 0) == level(-1.9, 0) == level(4, 3) == "ok"
    assert level(-2.1, 0) == level(60, 3) == "problem"


def test_room() -> None:
    def level(free: int, total: int) -> str:
        return places.judge_room("disk", "/", free, total).level

    assert level(50, 100) == level(15, 100) == "ok"
    assert level(14, 100) == level(5, 100) == "warning"
    assert level(4, 100) == level(0, 100) == level(0, 0) == "problem"


def test_the_spool_of_decoders(tmp_path: Path) -> None:
    """It matters with objects in MongoDB only, and must have room for the largest file."""

    def found(**settings: Any) -> Finding:
        (finding,) = places.check_spool(DoctorSettings(data_dir=tmp_path, **settings))
        return finding

    mongodb, spool = "mongodb://host/dicom", tmp_path / "spool"
    assert found().level == "ok"
    assert found(storage_url=mongodb).level == "note"
    assert found(storage_url=mongodb, spool_dir=spool).level == "problem"
    spool.mkdir()
    assert found(storage_url=mongodb, max_file_bytes=1).level == "ok"
    small = found(storage_url=mongodb, spool_dir=spool, max_file_bytes=1 << 60)
    assert small.level == "warning"
    assert str(spool) in small.what


@given(
    st.lists(st.builds(Finding, st.just("x"), st.sampled_from(["ok", "note", "warning"]), st.just("fine")))
)
def test_only_problems_fail(findings: list[Finding]) -> None:
    bad = Finding("x", "problem", "bad", "mend it")
    assert (exit_code(findings), exit_code([*findings, bad])) == (0, 1)
    assert "-> mend it" in as_text([*findings, bad])
    assert '"ok": false' in as_json([*findings, bad])


def test_the_key_of_tokens_is_told_with_its_age() -> None:
    made = datetime(2026, 1, 1, tzinfo=UTC)

    def key(kid: str, signs_in: float) -> SigningKeyTimes:
        return SigningKeyTimes(kid, made, made, None, None, signs_in, published=True)

    keys = [key("waits", 5.0), key("signs", -5.0)]
    assert [one.level for one in judge_signing_keys([], made)] == ["note"]
    (good,) = judge_signing_keys(keys, made + timedelta(days=KEY_DAYS))
    assert (good.level, "signs" in good.what, "2 are published" in good.what) == ("ok", True, True)
    (bad,) = judge_signing_keys(keys, made + timedelta(days=KEY_DAYS + 1))
    assert bad.level == "warning"


def test_pages_that_may_not_call_are_told() -> None:
    made = ApplicationEntry(
        client_id="ohif",
        name="OHIF",
        redirect_uris=[
            "https://viewer.example.org/callback",
            "http://localhost:3000/callback",
            "org.example:/x",
        ],
        post_logout_redirect_uris=[],
        scopes=["dicomweb"],
        trusted=True,
        confidential=False,
        is_active=True,
        created_at=NOW,
        last_used_at=None,
    )
    (bad,) = judge_applications([made], frozenset())
    assert (bad.level, "OHIF is a page of https://viewer.example.org," in bad.what) == ("warning", True)
    (good,) = judge_applications([made], frozenset({"https://viewer.example.org"}))
    assert (good.level, good.what) == ("ok", "1 may be let in by people.")
    for change in ({"confidential": True}, {"is_active": False}):
        assert [one.level for one in judge_applications([made.model_copy(update=change)], frozenset())] == [
            "ok"
        ]


def test_keys_that_wait_are_left_or_are_old_are_told() -> None:
    made = datetime(2026, 1, 1, tzinfo=UTC)
    only = KeyringContent("now", {"now": b"n" * 32}, made={"now": made})
    waiting = KeyringContent("now", {"now": b"n" * 32, "soon": b"s" * 32}, next="soon", made={"now": made})
    left = KeyringContent("now", {"now": b"n" * 32, "then": b"t" * 32}, made={"now": made})
    good, bad = made + timedelta(days=KEY_DAYS), made + timedelta(days=KEY_DAYS + 1)
    assert list(judge_keys(only, good)) == []
    assert [one.level for one in judge_keys(only, bad)] == ["warning"]
    assert [one.level for one in judge_keys(waiting, good)] == ["note"]
    (note,) = judge_keys(left, good)
    assert (note.level, "then" in note.what) == ("note", True)
    assert list(judge_keys(KeyringContent("x", {"x": b"x" * 32}), bad)) == []
