"""Prometheus metrics of the auth service."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge

from libs.common.telemetry.metrics import preset

SignIn = Literal[
    "ok", "challenged", "wrong_credentials", "wrong_code", "inactive", "busy", "throttled", "turned_off"
]
Mail = Literal["sent", "refused", "delayed", "given_up"]
Return = Literal[
    "ok",
    "challenged",
    "linked",
    "provider-refused",
    "provider-unavailable",
    "sign-in-expired",
    "sign-in-mismatch",
    "sign-in-unproved",
    "not-admitted",
    "account-unknown",
    "account-closed",
    "identity-taken",
    "too-many-requests",
]
"""How a way back from a provider ends: with a session, a second step, a link, or the code of a problem."""
Refresh = Literal["ok", "refused", "reused", "busy"]
ApplicationGrant = Literal["let-in", "denied", "granted", "refreshed", "refused", "replayed", "ended"]


class AuthMetrics:
    """How people sign in and stay signed in; who they are is nobody's label."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Register on `registry`, once per process."""
        self._sign_ins = Counter(
            "auth_sign_ins_total",
            "Attempts to sign in; challenged: the right password, and a second factor is missing, inactive: "
            "the right password of a closed account, busy: answered with 503, throttled: answered with 429 "
            "without a look, turned_off: PASSWORD_SIGN_IN",
            ["outcome"],
            registry=registry,
        )
        preset(self._sign_ins, get_args(SignIn))
        self._refreshes = Counter(
            "auth_refreshes_total",
            "Refresh tokens presented; reused: one that was used before, which ends its session",
            ["outcome"],
            registry=registry,
        )
        preset(self._refreshes, get_args(Refresh))

        self._application_grants = Counter(
            "auth_application_grants_total",
            "What applications were given: let-in and denied by people, granted for a code, refreshed, "
            "refused, replayed: a code that came again, which ends its session, ended: by the application",
            ["outcome"],
            registry=registry,
        )
        preset(self._application_grants, get_args(ApplicationGrant))
        self._provider_sign_ins = Counter(
            "auth_provider_sign_ins_total",
            "Ways back from an OpenID provider; outcome: ok, linked, or the code of the problem",
            ["provider", "outcome"],
            registry=registry,
        )
        self._made_accounts = Counter(
            "auth_provider_accounts_total",
            "Accounts made for people who came from an OpenID provider",
            ["provider"],
            registry=registry,
        )

        self._counters = Gauge(
            "auth_throttle_counters",
            "Counters of wrong passwords; blocked: those that hold somebody up now",
            ["state"],
            registry=registry,
        )

        self._mails = Counter(
            "auth_mails_total",
            "Mails with a link for another password; refused: by the mail server, for good, delayed: it is "
            "tried again, given_up: the link's time has passed meanwhile",
            ["outcome"],
            registry=registry,
        )
        preset(self._mails, get_args(Mail))
        self._mails_waiting = Gauge("auth_mails_waiting", "Mails that are to be sent", registry=registry)
        self._mails_oldest = Gauge(
            "auth_mails_oldest_seconds", "Since when the oldest of them waits", registry=registry
        )

        self._factors = Gauge(
            "auth_second_factors",
            "Authenticators by the key that closes their seeds; former: one that the keyring has kept, "
            "unreadable: one that it lacks, so that their owners cannot sign in",
            ["key"],
            registry=registry,
        )

        self._signing_keys = Gauge(
            "auth_signing_keys",
            "Keys of access tokens that are published; two while one is rotated",
            registry=registry,
        )
        self._signing_key_age = Gauge(
            "auth_signing_key_age_seconds", "Age of the key that signs access tokens", registry=registry
        )

        self._audit_pending = Gauge(
            "audit_pending_entries", "Noted acts that wait to be chained", registry=registry
        )
        self._audit_oldest = Gauge(
            "audit_pending_oldest_seconds", "Age of the oldest of them", registry=registry
        )
        self._audit_head = Gauge(
            "audit_head_seq",
            "Number of the newest entry of the audit log; -1 as long as it is not known",
            registry=registry,
        )
        self._audit_head.set(-1)
        self.audit_broken = Gauge(
            "audit_chain_broken",
            "1 when the last look at the whole audit log found an entry that does not fit",
            registry=registry,
        )
        self.audit_verified = Gauge(
            "audit_verified_timestamp_seconds",
            "When the whole audit log was last looked at",
            registry=registry,
        )

        self.audit_unnoted = Gauge(
            "audit_anchor_failing",
            "1 while the newest head of the audit log could not be written to AUDIT_ANCHOR_FILE",
            registry=registry,
        )

        self._sink_seq = Gauge(
            "audit_sink_seq",
            "Number of the last entry of the audit log that a sink has taken",
            ["sink"],
            registry=registry,
        )
        self._sink_lag = Gauge(
            "audit_sink_lag_seconds",
            "Since when the oldest sealed entry waits that a sink has not taken",
            ["sink"],
            registry=registry,
        )
        self._sink_failures = Counter(
            "audit_sink_failures_total",
            "Attempts to hand entries of the audit log on that came to nothing",
            ["sink"],
            registry=registry,
        )

    def show_sink(self, sink: str, seq: int, lag_seconds: float) -> None:
        """How far a sink has been told."""
        self._sink_seq.labels(sink).set(seq)
        self._sink_lag.labels(sink).set(lag_seconds)
        self._sink_failures.labels(sink)

    def count_sink_failure(self, sink: str) -> None:
        """One attempt that came to nothing."""
        self._sink_failures.labels(sink).inc()

    def show_audit(self, waiting: int, oldest_seconds: float, head: int | None) -> None:
        """What waits to be chained, and how far the log goes."""
        self._audit_pending.set(waiting)
        self._audit_oldest.set(oldest_seconds)
        if head is not None:
            self._audit_head.set(head)

    def show_throttle(self, counters: int, blocked: int) -> None:
        """How many counters there are, and how many hold somebody up."""
        self._counters.labels("all").set(counters)
        self._counters.labels("blocked").set(blocked)

    def show_signing_keys(self, published: int, age: float) -> None:
        """How many are published, and how many seconds ago the one that signs was made."""
        self._signing_keys.set(published)
        self._signing_key_age.set(age)

    def show_factors(self, current: int, former: int, unreadable: int) -> None:
        """How many authenticators there are, by the key that closes their seeds."""
        self._factors.labels("current").set(current)
        self._factors.labels("former").set(former)
        self._factors.labels("unreadable").set(unreadable)

    def mailed(self, outcome: Mail) -> None:
        """Count one mail, or one attempt at it."""
        self._mails.labels(outcome).inc()

    def show_mails(self, waiting: int, oldest_seconds: float) -> None:
        """How many mails wait, and how long the oldest has."""
        self._mails_waiting.set(waiting)
        self._mails_oldest.set(oldest_seconds)

    def signed_in(self, outcome: SignIn) -> None:
        """Count one attempt."""
        self._sign_ins.labels(outcome).inc()

    def know_providers(self, names: Iterable[str]) -> None:
        """Begin at nought, so that the first of each counts as an increase."""
        for name in names:
            self._made_accounts.labels(name)
            for outcome in get_args(Return):
                self._provider_sign_ins.labels(name, outcome)

    def came_back(self, provider: str, outcome: str) -> None:
        """Count one way back; both are words of ours."""
        self._provider_sign_ins.labels(provider, outcome).inc()

    def made_account(self, provider: str) -> None:
        """Count one account."""
        self._made_accounts.labels(provider).inc()

    def application(self, outcome: ApplicationGrant) -> None:
        """Count what one application was given or refused."""
        self._application_grants.labels(outcome).inc()

    def refreshed(self, outcome: Refresh) -> None:
        """Count one token."""
        self._refreshes.labels(outcome).inc()
