"""The keyring: what its file may look like, and what its keys do."""

from __future__ import annotations

import base64
import stat
from pathlib import Path

import orjson
import pytest

from libs.common.encryption.keyring import WRAPPED_BYTES, Keyring
from libs.common.errors import ConfigurationError, ObjectCorrupt, Unavailable

KEY = base64.b64encode(bytes(range(32))).decode()


def keyring_file(folder: Path, content: bytes, mode: int = 0o600) -> Path:
    path = folder / "keyring.json"
    path.write_bytes(content)
    path.chmod(mode)
    return path


def test_created_keyring_is_private_loads_again_and_unwraps_what_it_wrapped(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "keyring.json"
    created = Keyring.create(path)
    loaded = Keyring.load(path)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]
    assert loaded.current == created.current
    wrapped = created.wrap(b"d" * 32, b"context")
    assert len(wrapped) == WRAPPED_BYTES
    assert loaded.unwrap(created.current, wrapped, b"context") == b"d" * 32


def test_create_never_overwrites(tmp_path: Path) -> None:
    path = tmp_path / "keyring.json"
    Keyring.create(path)
    before = path.read_bytes()
    with pytest.raises(ConfigurationError, match="never overwritten"):
        Keyring.create(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_create_says_what_to_do_about_an_unusable_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ConfigurationError, match="make its folder writable"):
        Keyring.create(tmp_path / "file" / "keyring.json")


def test_load_says_what_to_do_about_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="set KEYRING_FILE"):
        Keyring.load(tmp_path / "keyring.json")


@pytest.mark.parametrize("mode", [0o604, 0o602, 0o644, 0o666])
def test_load_refuses_a_file_open_to_everybody(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "keyring.json"
    Keyring.create(path)
    path.chmod(mode)
    with pytest.raises(ConfigurationError, match="chmod o-rwx"):
        Keyring.load(path)


def test_load_accepts_a_group_readable_file_as_mounted_secrets_are(tmp_path: Path) -> None:
    path = tmp_path / "keyring.json"
    created = Keyring.create(path)
    path.chmod(0o440)
    assert Keyring.load(path).current == created.current


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b'"text"',
        b"{}",
        orjson.dumps({"current": "a"}),
        orjson.dumps({"keys": {"a": KEY}}),
        orjson.dumps({"current": "a", "keys": [KEY]}),
        orjson.dumps({"current": "a", "keys": {"a": 5}}),
        orjson.dumps({"current": "a", "keys": {"a": KEY[:-5]}}),
        orjson.dumps({"current": "a", "keys": {"a": base64.b64encode(b"short").decode()}}),
        orjson.dumps({"current": "b", "keys": {"a": KEY}}),
        orjson.dumps({"current": "a/b", "keys": {"a/b": KEY}}),
        orjson.dumps({"current": "a" * 65, "keys": {"a" * 65: KEY}}),
    ],
)
def test_load_refuses_a_malformed_file_without_showing_it(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Keyring.load(keyring_file(tmp_path, content))
    assert caught.value.detail
    assert KEY[:8] not in caught.value.detail
    assert caught.value.__cause__ is None


def test_previous_keys_still_unwrap_and_new_wraps_use_the_current_one() -> None:
    old = Keyring("old", {"old": b"o" * 32})
    both = Keyring("new", {"old": b"o" * 32, "new": b"n" * 32})
    wrapped = old.wrap(b"d" * 32, b"")

    assert both.unwrap("old", wrapped, b"") == b"d" * 32
    with pytest.raises(Unavailable, match="'new' is not in the keyring"):
        old.unwrap("new", both.wrap(b"d" * 32, b""), b"")


def test_a_wrapped_key_is_bound_to_key_and_context() -> None:
    ring = Keyring("a", {"a": b"a" * 32, "b": b"b" * 32})
    wrapped = ring.wrap(b"d" * 32, b"one object")
    for reference, altered, context in (
        ("a", wrapped, b"another object"),
        ("b", wrapped, b"one object"),
        ("a", wrapped[:-1] + bytes([wrapped[-1] ^ 1]), b"one object"),
        ("a", b"", b"one object"),
    ):
        with pytest.raises(ObjectCorrupt):
            ring.unwrap(reference, altered, context)


def test_repr_shows_references_only() -> None:
    shown = repr(Keyring("a", {"a": b"secret-secret-secret-secret-1234"}))
    assert shown == "Keyring(current='a', keys=['a'])"
