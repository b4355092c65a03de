"""Whether a log is whole: every entry in its place, every root signed, nothing cut off at the end. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from services.auth.audit.chain import GENESIS, Link, RetiredMonth, Root, SealedEntry, is_signed, linked

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


class SignedRetired(NamedTuple):
    """The statement that a month was dropped, by which key it says it was signed, and the signature."""

    retired: RetiredMonth
    key_id: str
    signature: bytes


class Row(NamedTuple):
    """An entry of the log and the link that is noted with it."""

    link: Link
    entry: SealedEntry


class Verification:
    """Takes batch after batch with its entries, in order; `entries` counts those that were found right."""

    def __init__(
        self,
        keys: Mapping[str, bytes],
        anchors: Iterable[Root] = (),
        retired: Iterable[SignedRetired] = (),
        since: Root | None = None,
    ) -> None:
        """`keys`: public keys by id; what others signed is forged. `anchors`: roots noted elsewhere.

        `retired`: what stands in the place of dropped months. `since`: a root up to which all was found right
        before, the first that is handed over now.
        """
        self._keys = keys
        self._anchors = {anchor.batch: anchor for anchor in anchors}
        self._retired = sorted(retired)
        self._since = since
        self._before: Root | None = None
        self._batch = -1 if since is None else since.batch
        self.entries = 0
        self.last = Link(0, GENESIS) if since is None else Link(since.last_seq, since.root)
        """The last entry found right."""

    def begin(self) -> Break | None:
        """What is wrong with the statements on dropped months; the chain begins after the last of them."""
        for one in self._retired:
            public = self._keys.get(one.key_id)
            if public is None or not is_signed(one.retired, one.signature, public):
                return Break("forged", 1, f"that {one.retired.month:%Y-%m} was retired is not signed by us")
            if self._since is None:
                self._batch = one.retired.last_batch
                self.last = Link(one.retired.last_seq, one.retired.root)
        return None

    def batch(self, signed: SignedRoot, rows: Sequence[Row], following: Row | None = None) -> Break | None:
        """What is wrong with the next batch.

        `rows`: all that are kept up to its last entry, none if retired; `following` comes after them.
        """
        root = signed.root
        found = self._check_signature(signed) or _check_anchor(root, self._anchors.pop(root.batch, None))
        if self._before is None and root.batch <= self._batch:
            found = found or self._check_kept(root, rows)
        else:
            found = found or self._check_place(root) or self._check_entries(root, rows, following)
        if root.batch >= self._batch:
            self._before = root
        return found

    def end(self, left: Sequence[Row]) -> Break | None:
        """What is wrong behind the last batch; `left` are entries that stand there."""
        if left:
            seq = left[0].link.seq
            return Break("added", seq, f"entry {seq} belongs to no signed batch")
        reached = -1 if self._before is None else self._before.batch
        if reached < self._batch:
            return Break("cut", self.last.seq, f"batch {self._batch}, from which the log goes on, is gone")
        ahead = [one for one in self._anchors.values() if one.batch > reached]
        if not ahead:
            return None  # what was noted before is covered by the chain, or retired with its month
        first = min(ahead, key=lambda anchor: anchor.first_seq)
        return Break(
            "cut", first.first_seq, f"the log ends before batch {first.batch}, which was noted outside"
        )

    def _check_signature(self, signed: SignedRoot) -> Break | None:
        root = signed.root
        public = self._keys.get(signed.key_id)
        if public is None:
            return Break("forged", root.first_seq, f"batch {root.batch} is signed by an unknown key")
        if not is_signed(root, signed.signature, public):
            return Break("forged", root.first_seq, f"the signature of batch {root.batch} is not its own")
        return None

    def _check_kept(self, root: Root, rows: Sequence[Row]) -> Break | None:
        """The last root of a dropped month, or the one up to which all was found right before."""
        if self._since is None and rows:
            seq = rows[0].link.seq
            return Break("added", seq, f"entry {seq} is there, though its month was retired")
        if root.batch == self._batch and (root.last_seq, root.root) != self.last:
            return Break(
                "forged", root.first_seq, f"batch {root.batch} is not the one that the log goes on from"
            )
        return None

    def _check_place(self, root: Root) -> Break | None:
        before = self._batch if self._before is None else self._before.batch
        if self._before is None and self._batch >= 0:
            return Break(
                "missing", self.last.seq, f"batch {self._batch}, from which the log goes on, is gone"
            )
        seq = self.last.seq + 1
        if (root.batch, root.first_seq, root.previous) == (before + 1, seq, self.last.hash):
            return None
        if self._before is None:
            return Break("missing", seq, f"the log begins with batch {root.batch} and not with entry {seq}")
        return Break("missing", seq, f"between batches {before} and {root.batch} one is missing")

    def _check_entries(self, root: Root, rows: Sequence[Row], following: Row | None) -> Break | None:
        seq, chained = self.last
        for place, row in enumerate(rows):
            seq += 1
            noted, entry = row
            if noted.seq != seq:
                if noted.seq > seq:
                    return Break("missing", seq, f"entry {seq} is not there")
                return Break("added", noted.seq, f"entry {noted.seq} is there twice")
            expected = linked(chained, entry)
            if expected != noted.hash:
                after = rows[place + 1] if place + 1 < len(rows) else following
                return _what_happened(chained, row, after)
            chained = expected
        if seq < root.last_seq:
            return Break("missing", seq + 1, f"entry {seq + 1} is not there")
        if chained != root.root:
            return Break("forged", root.last_seq, f"batch {root.batch} was signed with other entries")
        self.entries += len(rows)
        self.last = Link(seq, chained)
        return None


def _what_happened(before: bytes, row: Row, following: Row | None) -> Break:
    seq = row.link.seq
    if following is not None:
        swapped = linked(linked(before, following.entry), row.entry)
        if swapped in (row.link.hash, following.link.hash):
            return Break("reordered", seq, f"entries {seq} and {following.link.seq} have changed places")
        if linked(before, following.entry) in (row.link.hash, following.link.hash):
            return Break("added", seq, f"entry {seq} was put in between")
    return Break("changed", seq, f"entry {seq} is not what was sealed, or one before it was taken out")


def _check_anchor(root: Root, anchor: Root | None) -> Break | None:
    if anchor is None or anchor == root:
        return None
    return Break("forged", root.first_seq, f"batch {root.batch} is not the one that was noted outside")
