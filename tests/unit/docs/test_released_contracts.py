"""What releases have promised each other: migrations never change, events only gain fields.

Both sides of a rolling upgrade read each other's events and use one schema (docs/operations.md).
"""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
import yaml

from docs.generate import EVENTS, asyncapi_document
from libs.common.bus.topology import TOPOLOGY
from libs.common.events import EVENT_TYPES, Averages
from services.operator.migrations import MIGRATIONS
from tests import previous_release
from tests.previous_release import ROOT

CHECKSUMS = ROOT / "infra" / "released-migrations.sha256"
UNREADABLE_BEFORE = ("result-too-large",)
"""Values that the previous release puts into `.dead`: so rare that a replay after the upgrade will do."""
MODELS = {model.__name__: model for model in (*EVENTS, Averages)}


def listed() -> dict[str, str]:
    """SHA-256 by path, as `sha256sum` writes it."""
    lines = (line.split() for line in CHECKSUMS.read_text().splitlines())
    return {path: checksum for checksum, path in lines}


def events_of(document: str) -> tuple[dict[str, str], dict[str, dict[str, Any]]]:
    """Routing keys by message, and properties by schema, of an AsyncAPI document."""
    loaded = yaml.safe_load(document)
    addresses = {name: channel["address"] for name, channel in loaded["channels"].items()}
    schemas = {name: schema["properties"] for name, schema in loaded["components"]["schemas"].items()}
    return addresses, schemas


def meaning(schema: Any) -> Any:
    """A JSON Schema without its words."""
    if isinstance(schema, dict):
        return {key: meaning(value) for key, value in schema.items() if key not in ("title", "description")}
    if isinstance(schema, list):
        return [meaning(item) for item in schema if item not in UNREADABLE_BEFORE]
    return schema


def test_released_migrations_never_change() -> None:
    changed = [
        path
        for path, checksum in listed().items()
        if hashlib.sha256((ROOT / path).read_bytes()).hexdigest() != checksum
    ]
    assert not changed, "a released migration changed: restore it and add a new file instead"


def test_every_migration_of_the_previous_release_is_listed() -> None:
    folders = [str(source.folder.relative_to(ROOT)) for source in MIGRATIONS]
    released = {path for path in previous_release.names(*folders) if path.endswith(".sql")}
    assert released
    assert released <= listed().keys(), (
        "sha256sum services/*/migrations/*.sql > infra/released-migrations.sha256"
    )


def test_new_migrations_come_after_the_released_ones() -> None:
    for source in MIGRATIONS:
        folder = source.folder.relative_to(ROOT)
        released = [path for path in listed() if path.startswith(f"{folder}/")]
        present = [str(path.relative_to(ROOT)) for path in sorted(source.folder.glob("*.sql"))]
        assert present[: len(released)] == sorted(released)


def test_events_keep_their_routing_keys() -> None:
    old, _ = events_of(previous_release.read("docs/asyncapi.yaml"))
    new, _ = events_of(asyncapi_document())
    assert old.items() <= new.items(), "a break is a new event type, beside the old one"


def test_queues_of_the_previous_release_are_given_nothing_that_it_cannot_read() -> None:
    """It would put a type that it does not know into `.dead`: a new type needs a queue of its own."""
    old, _ = events_of(previous_release.read("docs/asyncapi.yaml"))
    table = previous_release.read("libs/common/bus/topology.py")
    for event_type in set(EVENT_TYPES) - set(old.values()):
        for subscription in TOPOLOGY.takers(event_type):
            assert f'"{subscription.queue}"' not in table, event_type


@pytest.mark.parametrize("name", sorted(MODELS))
def test_events_only_gain_fields(name: str) -> None:
    _, old_schemas = events_of(previous_release.read("docs/asyncapi.yaml"))
    _, new_schemas = events_of(asyncapi_document())
    if name not in old_schemas:
        return
    old, new = old_schemas[name], new_schemas[name]
    assert old.keys() <= new.keys(), "a field was removed or renamed: old consumers need it"
    # Nor wider: what the present release may say, the previous one must be able to read.
    assert {field: meaning(new[field]) for field in old} == meaning(old)
    needed = [field for field in new.keys() - old.keys() if MODELS[name].model_fields[field].is_required()]
    assert not needed, "events of the previous release lack these: give them a default"
