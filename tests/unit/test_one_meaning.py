"""One name, one meaning: whoever reads a type's name anywhere knows which it is."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
CONSTANTS = frozenset({"SOURCE"})
"""Had two meanings. Other constants may repeat (SETTINGS, OPERATIONS): they say the same in each room."""


def defined(module: Path) -> Iterator[str]:
    """Types and aliases of a module, and the constants that are watched."""
    for node in ast.parse(module.read_text()).body:
        if isinstance(node, ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                if isinstance(target, ast.Name) and (target.id in CONSTANTS or not target.id.isupper()):
                    yield target.id


def test_each_type_is_defined_in_one_place() -> None:
    places = defaultdict[str, list[str]](list)
    for folder in ("libs", "services"):
        for module in sorted((ROOT / folder).rglob("*.py")):
            for name in set(defined(module)):
                if name[0].isupper():
                    places[name].append(module.relative_to(ROOT).as_posix())
    assert len(places) > 100
    assert {name: where for name, where in places.items() if len(where) > 1} == {}
