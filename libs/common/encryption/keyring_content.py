"""What a keyring file says, and how a rotation changes it, step by step. Pure.

The file is JSON: `{"current": ref, "keys": {ref: base64 of 32 bytes}}`, and since keys are rotated also
`next` (a key that every reader is to know before anything is wrapped by it), `made` (when, by reference) and
`since` (from when on the current one is). Releases that know no rotation read the first two only.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import orjson

KEY_BYTES = 32
_DATE_CHARACTERS = len("2026-01-31")


@dataclass(frozen=True, slots=True)
class KeyringContent:
    """Keys by reference. `current` wraps; all unwrap."""

    current: str
    keys: Mapping[str, bytes] = field(repr=False)
    next: str | None = None
    made: Mapping[str, datetime] = field(default_factory=dict)
    since: datetime | None = None

    @property
    def former(self) -> tuple[str, ...]:
        """Keys that were current before, and only unwrap now."""
        return tuple(sorted(self.keys.keys() - {self.current, self.next}))

    def made_at(self, reference: str) -> datetime | None:
        """When a key was made; of keys of earlier releases their name's date says it, if it has one."""
        known = self.made.get(reference)
        if known is not None:
            return known
        try:
            return datetime.fromisoformat(reference[:_DATE_CHARACTERS]).replace(tzinfo=UTC)
        except ValueError:
            return None

    def age(self, now: datetime) -> float | None:
        """Seconds since the current key was made."""
        made = self.made_at(self.current)
        return None if made is None else max(0.0, (now - made).total_seconds())

    def role(self, reference: str) -> str:
        """`current`, `next` or `former`."""
        return {self.current: "current", self.next: "next"}.get(reference, "former")

    def with_next(self, now: datetime) -> KeyringContent:
        """With a new random key, which wraps nothing yet."""
        reference = new_reference(now)
        keys = {**self.keys, reference: secrets.token_bytes(KEY_BYTES)}
        return replace(self, keys=keys, next=reference, made={**self.made, reference: now})

    def switched(self, now: datetime) -> KeyringContent:
        """With `next` as the current key. Raises ValueError where there is none."""
        if self.next is None:
            raise ValueError("there is no next key")
        return replace(self, current=self.next, next=None, since=now)

    def without(self, references: Collection[str]) -> KeyringContent:
        """Without these keys. Raises ValueError for one that is current or next."""
        if not set(references) <= set(self.former):
            raise ValueError("only former keys can be removed")
        return replace(
            self,
            keys={reference: key for reference, key in self.keys.items() if reference not in references},
            made={reference: made for reference, made in self.made.items() if reference not in references},
        )

    def encode(self) -> bytes:
        """The file."""
        document = {
            "current": self.current,
            "next": self.next,
            "since": self.since,
            "made": dict(self.made),
            "keys": {reference: base64.b64encode(key).decode() for reference, key in self.keys.items()},
        }
        told = {name: value for name, value in document.items() if value}
        return orjson.dumps(told, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def decode(file: bytes) -> KeyringContent:
    """Read a file. Raises ValueError, KeyError, TypeError or AttributeError where it is none."""
    document = orjson.loads(file)
    content = KeyringContent(
        current=str(document["current"]),
        keys={ref: base64.b64decode(key, validate=True) for ref, key in document["keys"].items()},
        next=document.get("next"),
        made={ref: datetime.fromisoformat(made) for ref, made in document.get("made", {}).items()},
        since=None if (since := document.get("since")) is None else datetime.fromisoformat(since),
    )
    if content.next is not None and (content.next == content.current or content.next not in content.keys):
        raise ValueError("next is no other key of the ring")
    return content


def first_content(now: datetime) -> KeyringContent:
    """A ring of one random key."""
    reference = new_reference(now)
    return KeyringContent(
        reference, {reference: secrets.token_bytes(KEY_BYTES)}, made={reference: now}, since=now
    )


def new_reference(now: datetime) -> str:
    """A name that no other key has; it begins with the day."""
    return f"{now:%Y-%m-%d}-{secrets.token_hex(4)}"
