"""The list of mutants: small, sensible mistakes, each of which some named test must notice.

`mutants/<area>.toml` holds tables `[[file]]` (`path`, and `tests`, those of its mutants that name none) with
`[[file.mutant]]` (`name`: what is wrong then; `old`, which occurs once in the file; `new`; perhaps `tests`;
perhaps `equivalent`: why no test can notice). A test is a file, or `file::function`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent / "mutants"


class TextNotFound(Exception):
    """The code has moved on: the mutant's old text does not occur exactly once in its file."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """One mistake in one file."""

    area: str
    path: str
    name: str
    old: str
    new: str
    tests: tuple[str, ...]
    equivalent: str | None = None

    def applied_to(self, source: str) -> str:
        """The file's text with the mistake in it. Raises TextNotFound."""
        found = source.count(self.old)
        if found != 1:
            raise TextNotFound(f"{self.path}: found {found} times: {self.old!r}")
        return source.replace(self.old, self.new)

    def concerns(self, word: str) -> bool:
        """Whether somebody who asks for `word` means this one."""
        return word in self.area or word in self.path or word in self.name


def read(folder: Path = FOLDER) -> list[Mutant]:
    """Every mutant, area by area. Raises KeyError or TypeError for a misspelt table."""
    return [mutant for path in sorted(folder.glob("*.toml")) for mutant in _read_area(path)]


def chosen(mutants: Iterable[Mutant], words: Sequence[str]) -> list[Mutant]:
    """Those that any of the words concerns; all without words."""
    return [mutant for mutant in mutants if not words or any(map(mutant.concerns, words))]


def _read_area(path: Path) -> Iterator[Mutant]:
    for file in tomllib.loads(path.read_text())["file"]:
        for entry in file["mutant"]:
            fields = {"tests": file.get("tests"), **entry}
            tests = tuple(fields.pop("tests"))
            yield Mutant(area=path.stem, path=file["path"], tests=tests, **fields)
