"""The list of mutants fits the code and the tests of today, and the runner tells what became of each."""

from __future__ import annotations

import ast
import subprocess
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.mutation import mutants
from tests.mutation.__main__ import ROOT, run
from tests.mutation.mutants import Mutant, TextNotFound

LISTED = mutants.read()


@cache
def functions(test_file: str) -> set[str]:
    tree = ast.parse((ROOT / test_file).read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_names_are_unique() -> None:
    names = Counter((mutant.path, mutant.name) for mutant in LISTED)
    assert [name for name, count in names.items() if count > 1] == []


@pytest.mark.parametrize("area", sorted({mutant.area for mutant in LISTED}))
def test_mutants_change_one_place_of_todays_code_and_their_tests_exist(area: str) -> None:
    """Whoever changes that place puts the mistake into the new code, or drops it if it cannot be made."""
    found = [fault for mutant in LISTED if mutant.area == area for fault in faults(mutant)]
    assert not found, "\n".join(found)


def faults(mutant: Mutant) -> Iterator[str]:
    path = ROOT / mutant.path
    if not path.is_file():
        yield f"{mutant.path} is not there"
        return
    source = path.read_text()
    try:
        changed = mutant.applied_to(source)
        if path.suffix == ".py":
            ast.parse(changed)
    except (TextNotFound, SyntaxError) as error:
        yield f"{mutant.name}: {error}"
    else:
        if changed == source:
            yield f"{mutant.name}: changes nothing"
    for test in mutant.tests:
        file, _, function = test.partition("::")
        if not (ROOT / file).is_file() or (function and function not in functions(file)):
            yield f"{mutant.name}: there is no {test}"
    if not mutant.tests:
        yield f"{mutant.name}: names no test"


def test_the_runner_tells_what_became_of_each(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    test = tmp_path / "test_larger.py"
    (tmp_path / "larger.py").write_text("def larger(a, b):\n    return a if a > b else b\n")
    test.write_text("from larger import larger\n\ndef test():\n    assert larger(2, 1) == 2\n")
    subprocess.run(["git", "init", "-q", tmp_path], check=True)

    def mutant(name: str, old: str, new: str, equivalent: str | None = None) -> Mutant:
        return Mutant("area", "larger.py", name, old, new, (test.name,), equivalent)

    tried = [
        mutant("less", "a > b", "a < b"),
        mutant("equal", "a > b", "a >= b", "either is the larger"),
        mutant("always", "a > b", "True"),
        mutant("less, as it was thought", "a > b", "a < b", "so it was thought"),
        mutant("gone", "a == b", "a != b"),
        mutant("renamed", "def larger", "def smaller"),
    ]
    assert run(tmp_path, tried) == 1
    *told, summary = capsys.readouterr().out.splitlines()
    lines = [line for line in told if "larger.py: " in line and " s  " in line]
    expected = ["killed", "equivalent", "SURVIVED", "NOT EQUIVALENT", "TEXT NOT FOUND", "BROKEN"]
    assert [line[:15].strip() for line in lines] == expected
    assert summary == f"6 mutants: {', '.join(f'1 {outcome}' for outcome in expected)}"
    test.write_text("def test():\n    assert False\n")
    assert run(tmp_path, tried) == 1
    assert "Mend the tests first" in capsys.readouterr().out
