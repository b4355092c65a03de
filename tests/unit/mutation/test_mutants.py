"""The list of mutants fits the code and the tests of today, and the runner tells what became of each."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.mutation import mutants
from tests.mutation.__main__ import ROOT
from tests.mutation.mutants import Mutant, TextNotFound

LISTED = mutants.read()


@cache
def functions(test_file: str) -> set[str]:
    tree = ast.parse((ROOT / test_file).read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_names_are_unique() -> None:
    names = Counter((mutant.path, mutant.name) for mutant in LISTED)
    assert [name for name, count in names.items() if count > 1] == []


def test_no_mistake_is_listed_twice() -> None:
    mistakes = Counter((mutant.path, mutant.old, mutant.new) for mutant in LISTED)
    assert [mistake for mistake, count in mistakes.items() if count > 1] == []


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


MISTAKES = """
[[file]]
path = "larger.py"
tests = ["test_larger.py"]
mutant = [
    {name = "less", old = "a > b", new = "a < b"},
    {name = "equal", old = "a > b", new = "a >= b", equivalent = "either is the larger"},
    {name = "always", old = "a > b", new = "True"},
    {name = "less, as it was thought", old = "a > b", new = "a < b", equivalent = "so it was thought"},
    {name = "gone", old = "a == b", new = "a != b"},
    {name = "renamed", old = "def larger", new = "def smaller"},
]
"""
RUN = """
import sys
from pathlib import Path
from tests.mutation import mutants
from tests.mutation.__main__ import run
tree = Path(sys.argv[1])
sys.exit(run(tree, mutants.read(tree)))
"""


def test_the_runner_tells_what_became_of_each(tmp_path: Path) -> None:
    (tmp_path / "area.toml").write_text(MISTAKES)
    (tmp_path / "larger.py").write_text("def larger(a, b):\n    return a if a > b else b\n")
    test = tmp_path / "test_larger.py"
    test.write_text("from larger import larger\n\ndef test():\n    assert larger(2, 1) == 2\n")
    subprocess.run(["git", "init", "-q", tmp_path], check=True)

    def told() -> list[str]:
        command = [sys.executable, "-c", RUN, str(tmp_path)]
        ran = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
        assert ran.returncode == 1
        return str(ran.stdout).splitlines()

    *lines, summary = told()
    expected = ["killed", "equivalent", "SURVIVED", "NOT EQUIVALENT", "TEXT NOT FOUND", "BROKEN"]
    assert [line[:15].strip() for line in lines if " s  larger.py: " in line] == expected
    assert summary == f"6 mutants: {', '.join(f'1 {outcome}' for outcome in expected)}"
    test.write_text("def test():\n    assert False\n")
    assert "Mend the tests first" in told()[-1]
