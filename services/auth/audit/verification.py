"""Whether a log is whole: every entry in its place, every root signed, nothing cut off at the end. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from services.auth.audit.chain import GENESIS, Link, Root, SealedEntry, is_signed, linked

Tampering = Literal["changed", "missing", "added", "reordered", "forged", "cut"]


class Break(NamedTuple):
    """The first thing that is wrong, and at which entry."""

    kind: Tampering
    seq: int
    detail: str


class SignedRoot(NamedTuple):
    """A root, by which key it says it was signed, and the signature."""

    root: Root
    key_id: str
    signature: bytes


class Row(NamedTuple):
    """An entry of the log and the link that is noted with it."""

    link: Link
    entry: SealedEntry


class Verification:
    """Takes batch after batch with its entries, in order; `entries` counts those that were found right."""

    def __init__(self, keys: Mapping[str, bytes], anchors: Iterable[Root] = ()) -> None:
        """`keys`: public keys by id; what others signed is forged. `anchors`: roots noted elsewhere."""
        self._keys = keys
        self._anchors = {anchor.batch: anchor for anchor in anchors}
        self._before: Root | None = None
        self.entries = 0
        self.last = Link(0, GENESIS)
        """The last entry found right."""

    def batch(self, signed: SignedRoot, rows: Sequence[Row], following: Row | None = None) -> Break | None:
        """What is wrong with the next batch.

        `rows`: all that are kept up to its last entry, none if retired; `following` comes after them.
        """
        root = signed.root
        found = self._check_root(signed) or _check_anchor(root, self._anchors.pop(root.batch, None))
        found = found or self._check_entries(root, rows, following)
        self._before = root
        return found

    def end(self, left: Sequence[Row]) -> Break | None:
        """What is wrong behind the last batch; `left` are entries that stand there."""
        if left:
            seq = left[0].link.seq
            return Break("added", seq, f"entry {seq} belongs to no signed batch")
        last = self._before
        ahead = [one for one in self._anchors.values() if last is None or one.batch > last.batch]
        if not ahead:
            return None  # those before the first root were retired with their month
        first = min(ahead, key=lambda anchor: anchor.first_seq)
        return Break(
            "cut", first.first_seq, f"the log ends before batch {first.batch}, which was noted outside"
        )

    def _check_root(self, signed: SignedRoot) -> Break | None:
        root, before = signed.root, self._before
        public = self._keys.get(signed.key_id)
        if public is None:
            return Break("forged", root.first_seq, f"batch {root.batch} is signed by an unknown key")
        if not is_signed(root, signed.signature, public):
            return Break("forged", root.first_seq, f"the signature of batch {root.batch} is not its own")
        if before is None:
            # What stood before the first root was retired: the root itself says where the chain went on.
            self.last = Link(root.first_seq - 1, root.previous)
        elif root.previous != before.root or root.first_seq != before.last_seq + 1:
            seq = before.last_seq + 1
            return Break("missing", seq, f"between batches {before.batch} and {root.batch} one is missing")
        return None

    def _check_entries(self, root: Root, rows: Sequence[Row], following: Row | None) -> Break | None:
        if not rows and self.entries == 0:
            self.last = Link(root.last_seq, root.root)
            return None
        last = self.last
        for place, row in enumerate(rows):
            seq = last.seq + 1
            if row.link.seq > seq:
                return Break("missing", seq, f"entry {seq} is not there")
            if row.link.seq < seq:
                return Break("added", row.link.seq, f"entry {row.link.seq} is there twice")
            expected = linked(last.hash, row.entry)
            if expected != row.link.hash:
                return _what_happened(last, row, rows[place + 1] if place + 1 < len(rows) else following)
            last = Link(seq, expected)
        if last.seq < root.last_seq:
            return Break("missing", last.seq + 1, f"entry {last.seq + 1} is not there")
        if last.hash != root.root:
            return Break("forged", root.last_seq, f"batch {root.batch} was signed with other entries")
        self.entries += len(rows)
        self.last = last
        return None


def _what_happened(last: Link, row: Row, following: Row | None) -> Break:
    seq = row.link.seq
    if following is not None:
        swapped = linked(linked(last.hash, following.entry), row.entry)
        if swapped in (row.link.hash, following.link.hash):
            return Break("reordered", seq, f"entries {seq} and {following.link.seq} have changed places")
        if linked(last.hash, following.entry) in (row.link.hash, following.link.hash):
            return Break("added", seq, f"entry {seq} was put in between")
    return Break("changed", seq, f"entry {seq} is not what was sealed, or one before it was taken out")


def _check_anchor(root: Root, anchor: Root | None) -> Break | None:
    if anchor is None or anchor == root:
        return None
    return Break("forged", root.first_seq, f"batch {root.batch} is not the one that was noted outside")
