"""What a link tells of a patient before it is open."""

from __future__ import annotations

import pytest

from services.results.links.initials import initials_of


@pytest.mark.parametrize(
    ("name", "initials"),
    [
        ("García^María José^^Dra.", "M. G."),
        ("garcia", "G."),
        ("Yamada^Tarou=山田^太郎=やまだ^たろう", "T. Y."),
        ("=山田^太郎", None),
        ("^Ana", "A."),
        ("123^<b>", None),
        ("", None),
        (None, None),
    ],
)
def test_initials(name: str | None, initials: str | None) -> None:
    assert initials_of(name) == initials
