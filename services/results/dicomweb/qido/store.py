"""SQL that finds studies, series and instances for QIDO-RS. Nothing here commits.

One branch for each collection of the caller's own, and one for all that is shared with them. A study whose
UID lies in several collections is found in the one that an address by UID answers from, and in no other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import asyncpg

from libs.common.access import Viewer
from libs.common.database.bounded import Parameters, Rows, fetch_planned, first_rows
from libs.common.database.postgres import Connection
from libs.dicom.web.matching import UidMatch, WantedAttribute
from libs.dicom.web.searching import QueryLevel, path_of
from services.results.dicomweb.qido.conditions import SqlComparison, comparison_of
from services.results.dicomweb.qido.tables import GIVEN, ORDER, OWN, OWN_FILES, SHOWN, TOLD_BY, given
from services.results.read.shared_store import KINDS, held_kinds
from services.results.studies.finding import ranked
from services.results.studies.partial import parts

LOOKED_MOST: Mapping[QueryLevel, int] = MappingProxyType(
    {"study": 10_000, "series": 10_000, "instance": 5_000}
)
"""The first of a collection, of which each is compared where no index finds what is meant."""
HEADERS_BYTES = 4 << 20
"""Of packed headers that one answer is made of, where it tells more of them than what all answers hold."""
FEW_TAGS = 8
_STUDY_UID, _SOP_UID = path_of("StudyInstanceUID"), path_of("SOPInstanceUID")


class SearchAsked(NamedTuple):
    """What is searched for."""

    level: QueryLevel
    wanted: Sequence[WantedAttribute]
    collection: str | None
    limit: int
    offset: int
    tags: Sequence[str] | None
    """Of the header, beside the columns; None: all of it."""
    bounded: bool = False
    """Whether headers may be long here: HEADERS_BYTES of them at most, or one."""


class SearchPage(NamedTuple):
    """One page."""

    rows: list[asyncpg.Record]
    whole: bool
    """Whether all there is was compared, or enough to fill the page."""
    more: bool = False
    """Whether rows of the page were left out since their headers are long."""


class _Statement:
    """A statement while it is put together."""

    def __init__(self, viewer: Viewer, asked: SearchAsked, *, shared: bool) -> None:
        self._viewer, self._asked = viewer, asked
        self.parameters = Parameters()
        compared = [comparison_of(wanted, self.parameters) for wanted in asked.wanted]
        self._compared: list[SqlComparison] = [one for one in compared if one is not None]
        self._named = any(path == _SOP_UID and condition for path, condition in asked.wanted)
        costs = {one.cost for one in self._compared}
        self.looks = "look" in costs and "index" not in costs
        self._end = self.parameters.add(asked.offset + asked.limit)
        self.ctes: list[str] = []
        self.branches: list[str] = []
        self._add_own()
        if shared and viewer.visible is not None:
            self._add_given(viewer.visible)

    def text(self) -> str | None:
        """All of it; None: there is nowhere to look."""
        if not self.branches:
            return None
        level, add = self._asked.level, self.parameters.add
        found = " UNION ALL ".join(f"({branch})" for branch in self.branches)
        limit, offset = add(self._asked.limit), add(self._asked.offset)
        ctes = [
            *self.ctes,
            f"""page AS MATERIALIZED (SELECT * FROM ({found}) AS found
                ORDER BY {ORDER[level]} LIMIT {limit} OFFSET {offset})""",
        ]
        header = self._header()
        files = f"page LEFT JOIN results.upload_dicomresult AS file ON file.file_id = {TOLD_BY[level]}"
        if self._asked.bounded:
            files = f"""(SELECT page.*, file.raw_data, row_number() OVER walk AS place,
                    sum(coalesce(pg_column_size(file.raw_data), 0)) OVER walk AS packed
                FROM {files} WINDOW walk AS (ORDER BY page.{ORDER[level].replace(", ", ", page.")}
                    ROWS UNBOUNDED PRECEDING)) AS page"""
            header = header.replace("file.raw_data", "page.raw_data")
        within = f"place = 1 OR packed <= {HEADERS_BYTES}" if self._asked.bounded else "true"
        return f"""WITH {", ".join(ctes)}
            SELECT {SHOWN[level]}, {header} AS header, (SELECT count(*) FROM page) AS found,
                CASE WHEN page.whole THEN (
                    SELECT count(*) FROM results.series AS series WHERE series.collection = page.collection
                        AND series.study_instance_uid = page.study_instance_uid AND series.instances > 0)
                ELSE page.study_parts END AS study_series
            FROM {files} WHERE {within} ORDER BY {ORDER[level]}"""

    def _header(self) -> str:
        """What is needed of the header as JSON. Each attribute by itself unpacks it anew: good for few."""
        tags, add = self._asked.tags, self.parameters.add
        if tags is None:
            return "file.raw_data::text"
        if len(tags) <= FEW_TAGS:
            told = ", ".join(f"{name}::text, file.raw_data -> {name}::text" for name in map(add, tags))
            return f"jsonb_build_object({told})::text"
        return f"""(SELECT jsonb_object_agg(key, value)::text FROM jsonb_each(file.raw_data)
            WHERE key = ANY ({add(list(tags))}::text[]))"""

    def _conditions(self, *, looked: bool) -> list[str]:
        return [one.text for one in self._compared if (one.cost == "look") is looked]

    def _add_own(self) -> None:
        asked, viewer = self._asked, self._viewer
        places = viewer.visible
        if asked.collection is not None:
            places = [asked.collection] if viewer.sees(asked.collection) else []
        order = ranked(viewer)
        if places is None:
            self._add_branch(None, [self._first_of_all(order)])
            return
        for place in sorted(places, key=order.index) if asked.collection is None else places:
            before = [] if asked.collection is not None else order[: order.index(place)]
            self._add_branch([place], [self._not_in(before)] if before else [])

    def _add_branch(self, places: Sequence[str] | None, first: list[str]) -> None:
        level = self._asked.level
        of = OWN_FILES if self._named else OWN[level]
        near, far = self._conditions(looked=False), self._conditions(looked=True)
        if not self.looks:
            rows = Rows(of.table, of.columns, [*of.stands, *near, *far, *first], ORDER[level], self._end)
            self.branches.append(first_rows(places, rows, self.parameters))
            return
        rows = Rows(of.table, of.columns, [*of.stands, *near, *first], ORDER[level], str(LOOKED_MOST[level]))
        newest = first_rows(places, rows, self.parameters)
        self.branches.append(
            f"""SELECT * FROM ({newest}) AS newest WHERE {" AND ".join(far)}
                ORDER BY {ORDER[level]} LIMIT {self._end}"""
        )

    def _add_given(self, own: Sequence[str]) -> None:
        asked, add = self._asked, self.parameters.add
        more = []
        if asked.collection is not None:
            more.append(f"share.collection = {add(asked.collection)}")
        for path, condition in asked.wanted:
            if path == _STUDY_UID and isinstance(condition, UidMatch):
                uids = add(list(condition.values))
                more.append(
                    f"(share.study_instance_uid = ANY ({uids}::text[]) OR share.study_instance_uid IS NULL)"
                )
        visible = add(list(own))
        self.ctes += parts(KINDS, add(self._viewer.grantees), visible, more)
        self.ctes += given(None if asked.collection else visible)
        of = GIVEN[asked.level]
        conditions = [*(one.text for one in self._compared), *of.stands]
        self.branches.append(
            f"""SELECT {of.columns} FROM {of.table} WHERE {" AND ".join(conditions) or "true"}
                ORDER BY {ORDER[asked.level]} LIMIT {self._end}"""
        )

    def _not_in(self, places: Sequence[str]) -> str:
        """That no study of this UID lies in one of `places`, which answers before."""
        return f"""NOT EXISTS (SELECT FROM results.study AS nearer
            WHERE nearer.study_instance_uid = {OWN[self._asked.level].name}.study_instance_uid
                AND nearer.collection = ANY ({self.parameters.add(list(places))}::text[])
                AND nearer.instances > 0)"""

    def _first_of_all(self, order: Sequence[str]) -> str:
        """That this is the first of its UID wherever it lies: own, of groups, the oldest."""
        name, places = OWN[self._asked.level].name, self.parameters.add(list(order))
        place, other = (
            f"""(coalesce(array_position({places}::text[], {of}.collection), {len(order) + 1}),
                coalesce({of}.first_received_at, '-infinity'), {of}.collection)"""
            for of in (name, "nearer")
        )
        return f"""NOT EXISTS (SELECT FROM results.study AS nearer
            WHERE nearer.study_instance_uid = {name}.study_instance_uid AND nearer.instances > 0
                AND {other} < {place})"""


def search_statement(
    viewer: Viewer, asked: SearchAsked, *, shared: bool = False
) -> tuple[str, list[Any]] | None:
    """The statement of a page, and its values; `shared`: whether somebody shares with the viewer.

    None: there is nowhere to look.
    """
    statement = _Statement(viewer, asked, shared=shared)
    text = statement.text()
    return None if text is None else (text, statement.parameters.values)


async def search(connection: Connection, viewer: Viewer, asked: SearchAsked) -> SearchPage:
    """One page of what `viewer` sees."""
    shared = bool(await held_kinds(connection, viewer))
    statement = _Statement(viewer, asked, shared=shared)
    text = statement.text()
    if text is None:
        return SearchPage([], whole=True)
    rows = await fetch_planned(connection, text, statement.parameters.values)
    found = rows[0]["found"] if rows else 0
    if not statement.looks or found == asked.limit:
        return SearchPage(rows, whole=True, more=len(rows) < found)
    # Is there more than was compared?
    compared = [
        wanted
        for wanted in asked.wanted
        if (one := comparison_of(wanted, Parameters())) and one.cost == "order"
    ]
    more = asked._replace(wanted=compared, limit=1, offset=LOOKED_MOST[asked.level], tags=())
    beyond = search_statement(viewer, more, shared=shared)
    whole = beyond is None or not await fetch_planned(connection, *beyond)
    return SearchPage(rows, whole, more=len(rows) < found)
