"""SQL that reads studies. Nothing here commits."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import asyncpg

from libs.common.access import Viewer
from libs.common.database.bounded import Parameters, Rows, fetch_planned, first_rows
from libs.common.database.postgres import Connection
from services.results.cursors import StudyPlace
from services.results.read import store as files
from services.results.read.shared_store import ShareKind, held_kinds, shared_rows
from services.results.studies.conditions import (
    FACETS,
    STATES,
    Order,
    faceted,
    filters_of,
    meanings_of,
    nearer,
)
from services.results.studies.models import StudyFilter, StudySort
from services.results.studies.partial import SERIES_OF_PARTS, parts
from services.results.write.header import STUDY

FOUND_MOST = 1_000
"""Files that one meaning of `q`, or a state, looks at to find their studies."""
COUNTED_MOST = 25_000
"""Studies that are looked at to count the values of filters."""
VALUES_MOST = 100
"""Values of one filter that are told."""
SERIES_MOST = 1_000
"""Series of one study that are told."""
COLLECTIONS_MOST = 100
"""Collections of one UID that are told."""

_STUDIES = "results.study AS study"
_COLUMNS = (
    f"collection, study_instance_uid, {', '.join(STUDY)}, modalities, devices, owners, "
    "series AS series_count, instances, "
    "files_received, files_processed, files_failed, first_received_at AS received_at, last_received_at, "
    "cover_file_id"
)
_FILES = "results.upload_dicomresult"
_FILE = "collection, study_instance_uid, file_id"
_OF_A_STUDY = ("study_instance_uid IS NOT NULL", "state <> 'superseded'")
# All that facets are counted of: few different rows among many studies.
_COUNTED = """collection, modalities, devices, owners, least(files_received, 1) AS files_received,
    least(files_failed, 1) AS files_failed"""
# Each by its key, whatever the filter says: OFFSET 0 keeps the planner from beginning with that.
_STUDIES_OF = """(SELECT study.* FROM (
        SELECT DISTINCT collection, study_instance_uid FROM {found}
    ) AS found CROSS JOIN LATERAL (
        SELECT * FROM results.study AS study WHERE study.collection = found.collection
            AND study.study_instance_uid = found.study_instance_uid OFFSET 0
    ) AS study) AS study"""
_SERIES = f"""
    SELECT series_instance_uid, modality, series_number, series_description, body_part_examined, device,
        instances, files_received, files_processed, files_failed, first_received_at AS received_at,
        last_received_at, cover_file_id
    FROM results.series WHERE collection = $1 AND study_instance_uid = $2 AND instances > 0
    ORDER BY series_number NULLS LAST, series_instance_uid LIMIT {SERIES_MOST}
"""


class Listing(NamedTuple):
    """Which studies, in which order, and how many of them at most."""

    wanted: StudyFilter
    sort: StudySort
    limit: int
    after: StudyPlace | None = None
    uid: str | None = None
    """Only those of this UID."""
    counted: bool = False
    """Only what facets are counted of, of studies in any order."""


class _Statement:
    """A statement while it is put together: what is `found` by files, and branches of studies."""

    def __init__(
        self, viewer: Viewer, asked: Listing, kinds: Collection[ShareKind], frequent: Collection[str]
    ) -> None:
        self._viewer = viewer
        self._frequent = frequent
        self._wanted = asked.wanted
        self._order = Order(asked.sort)
        self.parameters = parameters = Parameters()
        self._kinds = kinds if asked.wanted.shared is not False else ()
        self._counted = asked.counted
        self.limit = parameters.add(asked.limit)
        self._conditions = filters_of(asked.wanted, parameters)
        if asked.after is not None:
            self._conditions.append(self._order.after(asked.after, parameters))
        self._uid = None
        if asked.uid is not None:
            self._uid = parameters.add(asked.uid)
            self._conditions.append(f"study_instance_uid = {self._uid}")
        self.ctes: list[str] = []
        self.branches: list[str] = []
        if asked.wanted.shared is not True:
            self._add_own(self._places())
        if self._kinds:
            self._add_shared()

    def text(self) -> str | None:
        """All of it as a query; None: there is nowhere to look."""
        if not self.branches:
            return None
        ctes = ", ".join(self.ctes) or "nothing AS (SELECT)"
        # A study that several branches find counts once.
        if self._counted:
            found = " UNION ".join(f"({branch})" for branch in self.branches)
            return f"WITH {ctes} SELECT * FROM ({found}) AS found LIMIT {self.limit}"
        found = " UNION ALL ".join(f"({branch})" for branch in self.branches)
        return f"""WITH {ctes}
            SELECT DISTINCT ON (sort_key, study_instance_uid, collection) * FROM ({found}) AS found
            ORDER BY {self._order.by} LIMIT {self.limit}"""

    def _places(self) -> Sequence[str] | None:
        """The viewer's own collections to look into; None are all."""
        collection, visible = self._wanted.collection, self._viewer.visible
        if collection is None:
            return visible
        return [collection] if self._viewer.sees(collection) else []

    def _add_own(self, places: Sequence[str] | None) -> None:
        if places == []:
            return
        q, state = (self._wanted.q or "").strip(), self._wanted.state
        here = [*self._conditions, *nearer(self._wanted, self.parameters)]
        if meanings := self._meanings(q):
            found = self._files_of_words(q, lambda rows: first_rows(places, rows, self.parameters))
            self._find("hit", found)
            for meaning in meanings:
                self._first(places, [*here, *meaning])
            self._from("hit", here)
        elif state in ("received", "failed") and self._uid is None:
            rows = self._file_rows([f"state = {self.parameters.add(state)}"])
            self._find("hit", [first_rows(places, rows, self.parameters)])
            self._from("hit", here)
            # So many files that their studies are no rarity; else nothing is looked at here.
            self._first(places, [*here, f"(SELECT count(*) FROM hit) >= {FOUND_MOST}"])
        else:
            self._first(places, here)

    def _add_shared(self) -> None:
        viewer, wanted, parameters = self._viewer, self._wanted, self.parameters
        if viewer.visible is None:
            return
        more = []
        if wanted.collection is not None:
            more.append(f"share.collection = {parameters.add(wanted.collection)}")
        if self._uid is not None:
            more.append(f"(share.study_instance_uid = {self._uid} OR share.study_instance_uid IS NULL)")
        self.ctes += parts(self._kinds, parameters.add(viewer.grantees), parameters.add(viewer.visible), more)
        conditions = self._conditions
        if meanings := self._meanings(q := (wanted.q or "").strip()):
            found = self._files_of_words(
                q, lambda rows: " UNION ALL ".join(shared_rows(self._kinds, viewer, rows, (), parameters))
            )
            self._find("given_hit", found)
            means = " OR ".join(f"({' AND '.join(meaning)})" for meaning in meanings)
            hits = (
                "(collection, study_instance_uid) IN (SELECT collection, study_instance_uid FROM given_hit)"
            )
            conditions = [*conditions, f"({means} OR {hits})"]
        if "study" in self._kinds:
            whole = _STUDIES_OF.format(found="held WHERE kind = 'study'")
            self.branches.append(self._select(whole, conditions, given=True))
        if set(self._kinds) - {"study"}:
            self.branches.append(self._select("partial AS study", conditions, whole=False, given=True))

    def _meanings(self, q: str) -> list[list[str]]:
        return meanings_of(q, self.parameters, self._frequent) if q else []

    def _files_of_words(self, q: str, branch: Any) -> list[str]:
        meanings = files.meanings_of(self.parameters, q, self._frequent)
        return [branch(self._file_rows(meaning)) for meaning in meanings if meaning]

    def _file_rows(self, conditions: Sequence[str]) -> Rows:
        return Rows(_FILES, _FILE, (*conditions, *_OF_A_STUDY), "file_id DESC", str(FOUND_MOST))

    def _find(self, name: str, queries: Sequence[str]) -> None:
        found = " UNION ALL ".join(f"({query})" for query in queries)
        self.ctes.append(f"{name} AS MATERIALIZED ({found})")

    def _from(self, found: str, conditions: Sequence[str]) -> None:
        self.branches.append(self._select(_STUDIES_OF.format(found=found), conditions))

    def _first(self, places: Sequence[str] | None, conditions: Sequence[str]) -> None:
        order = "" if self._counted else self._order.by
        rows = Rows(_STUDIES, self._columns(), conditions, order, self.limit)
        self.branches.append(first_rows(places, rows, self.parameters))

    def _select(
        self, table: str, conditions: Sequence[str], *, whole: bool = True, given: bool = False
    ) -> str:
        columns = self._columns(whole=whole, given=given)
        order = "" if self._counted else f"ORDER BY {self._order.by}"
        return f"SELECT {columns} FROM {table} WHERE {' AND '.join(conditions)} {order} LIMIT {self.limit}"

    def _columns(self, *, whole: bool = True, given: bool = False) -> str:
        if self._counted:
            return f"study_instance_uid, {given} AS given, {_COUNTED}"
        return f"{_COLUMNS}, {whole} AS whole, {given} AS given, {self._order.key} AS sort_key"


def list_statement(
    viewer: Viewer, asked: Listing, kinds: Collection[ShareKind] = (), frequent: Collection[str] = ()
) -> tuple[str, list[Any]] | None:
    """The statement that lists studies, and its values; `kinds` of things are shared with the viewer.

    `frequent` are patterns of words of `q` that no index looks for. None: there is nowhere to look.
    """
    statement = _Statement(viewer, asked, kinds, frequent)
    text = statement.text()
    if text is None:
        return None
    # As JSON a time is written the same way, whatever the server's settings.
    page = f"SELECT *, to_json(sort_key) #>> '{{}}' AS key FROM ({text}) AS page"
    return page, statement.parameters.values


async def list_studies(connection: Connection, viewer: Viewer, asked: Listing) -> list[asyncpg.Record]:
    """Studies that `viewer` sees, of each as much as they see."""
    kinds = await held_kinds(connection, viewer)
    frequent = await files.frequent_in(connection, asked.wanted.q)
    statement = list_statement(viewer, asked, kinds, frequent)
    return [] if statement is None else await fetch_planned(connection, *statement)


def facets_statement(
    viewer: Viewer,
    wanted: StudyFilter,
    kinds: Collection[ShareKind] = (),
    frequent: Collection[str] = (),
) -> tuple[str, list[Any]] | None:
    """The statement that counts the values of filters, each with the others as they are."""
    others = wanted.model_copy(update=dict.fromkeys(FACETS))
    asked_of = Listing(others, "-received", COUNTED_MOST + 1, counted=True)
    statement = _Statement(viewer, asked_of, kinds, frequent)
    text, parameters = statement.text(), statement.parameters
    if text is None:
        return None
    asked = {name: faceted(wanted, name, parameters) for name in FACETS}

    def where(*but: str) -> str:
        return " AND ".join(c for name, c in asked.items() if c is not None and name not in but) or "true"

    values = {
        "state": "(VALUES " + ", ".join(f"('{name}', {is_so})" for name, is_so in STATES.items()) + ")",
        "modality": "(SELECT unnest(modalities), true)",
        "device": "(SELECT unnest(devices), true)",
        "owner": "(SELECT unnest(owners)::text, true)",
        "collection": "(SELECT collection, true)",
        "shared": "(SELECT given::text, true)",
    }
    counts = [
        f"""(SELECT '{name}' AS facet, value, sum(alike)::bigint AS studies
            FROM seen CROSS JOIN LATERAL {of} AS told (value, so)
            WHERE so AND {where(name)} GROUP BY value ORDER BY studies DESC, value LIMIT {VALUES_MOST})"""
        for name, of in values.items()
    ]
    counts += [
        f"SELECT 'total', '', coalesce(sum(alike), 0)::bigint FROM seen WHERE {where()}",
        "SELECT 'looked', '', coalesce(sum(alike), 0)::bigint FROM seen",
    ]
    # Most studies are alike in what is counted: one pass over them, and the rest is about few rows.
    alike = "collection, given, modalities, devices, owners, files_received, files_failed"
    seen = f"SELECT {alike}, count(*) AS alike FROM ({text}) AS study GROUP BY {alike}"
    return f"WITH seen AS MATERIALIZED ({seen}) {' UNION ALL '.join(counts)}", parameters.values


async def count_facets(
    connection: Connection, viewer: Viewer, wanted: StudyFilter
) -> tuple[list[tuple[str, str, int]], bool]:
    """Rows of filter, value and count, and whether all there is was looked at."""
    kinds = await held_kinds(connection, viewer)
    frequent = await files.frequent_in(connection, wanted.q)
    statement = facets_statement(viewer, wanted, kinds, frequent)
    rows = [] if statement is None else await fetch_planned(connection, *statement)
    counts = [(row[0], row[1], row[2]) for row in rows]
    looked = next((count for name, _, count in counts if name == "looked"), 0)
    return [of for of in counts if of[0] != "looked"], looked <= COUNTED_MOST


async def list_series(connection: Connection, viewer: Viewer, study: asyncpg.Record) -> list[asyncpg.Record]:
    """The series of a study that `list_studies` has found, as far as `viewer` sees them."""
    collection, uid = study["collection"], study["study_instance_uid"]
    if study["whole"]:
        return await connection.fetch(_SERIES, collection, uid)
    kinds = await held_kinds(connection, viewer)
    of_study = (
        "share.collection = $3",
        "(share.study_instance_uid = $4 OR share.study_instance_uid IS NULL)",
    )
    ctes = ", ".join(parts(kinds, "$1", "$2", of_study))
    if not kinds - {"study"}:
        return []
    return await connection.fetch(
        f"""WITH {ctes} SELECT * FROM ({SERIES_OF_PARTS}) AS series
            WHERE study_instance_uid = $4
            ORDER BY series_number NULLS LAST, series_instance_uid LIMIT {SERIES_MOST}""",
        viewer.grantees,
        viewer.visible,
        collection,
        uid,
    )
