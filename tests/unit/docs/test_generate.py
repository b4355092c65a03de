"""The generated documents are those that the code describes now."""

from __future__ import annotations

from docs.generate import SECTIONS, documents


def test_generated_documents_are_current() -> None:
    stale = [path.name for path, text in documents().items() if path.read_text() != text]
    assert not stale, "run `make docs`"


def test_every_setting_is_described() -> None:
    for model in SECTIONS.values():
        assert all(info.description for info in model.model_fields.values()), model
