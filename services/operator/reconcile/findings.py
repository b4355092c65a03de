"""What a reconciliation is asked to do, and what it finds."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from services.operator.reconcile.discrepancies import Kind


@dataclass(frozen=True)
class Options:
    """What to do; `older_than` in seconds is how long work on a file may take."""

    repair: bool = False
    rebuild_rows: bool = False
    delete_orphans: bool = False
    older_than: float = 3600.0


class Discrepancy(NamedTuple):
    """One discrepancy: at which file, object, outbox row or queue, and whether it is repaired now."""

    kind: Kind
    subject: str
    repaired: bool = False
    detail: str | None = None


@dataclass
class FindingTally:
    """What was looked at and found."""

    files: int = 0
    objects: int = 0
    young_objects: int = 0
    """Without a row, and too young to be judged."""
    found: Counter[Kind] = field(default_factory=Counter)
    repaired: Counter[Kind] = field(default_factory=Counter)

    def add(self, finding: Discrepancy) -> None:
        """Count a finding."""
        self.found[finding.kind] += 1
        self.repaired[finding.kind] += finding.repaired
