"""What a viewer may see, as SQL: one place for lists, single rows, counts, changes and streams.

The rule itself is `libs.common.access.Viewer`, and the shares of `results.share`. The tables that this speaks
of have the columns `collection`, `file_id`, `study_instance_uid` and `series_instance_uid`.
"""

from __future__ import annotations

from uuid import UUID

from libs.common.access import Viewer
from libs.common.database.bounded import Parameters, Rows, first_rows
from libs.common.errors import NotFound

LIVE = "share.revoked_at IS NULL AND (share.until IS NULL OR share.until > now())"
"""Condition for shares that are in force."""

_SHARED = f"""(EXISTS (
        SELECT FROM results.share AS share
        WHERE share.file_id = file.file_id AND share.kind = 'file' AND share.collection = file.collection
            AND share.grantee = ANY ({{0}}::text[]) AND {LIVE}{{1}})
    OR EXISTS (
        SELECT FROM results.share AS share
        WHERE share.study_instance_uid = file.study_instance_uid AND share.collection = file.collection
            AND share.grantee = ANY ({{0}}::text[]) AND {LIVE}{{1}} AND (share.kind = 'study'
                OR (share.kind = 'series' AND share.series_instance_uid = file.series_instance_uid))))"""  # noqa: S608  no foreign text


def shared(grantees: str, *, manage: bool = False) -> str:
    """Condition for rows called `file` that are shared with the parameter `grantees`; `manage`: to manage."""
    return _SHARED.format(grantees, " AND share.mode = 'manage'" if manage else "")


def seen(visible: str, grantees: str) -> str:
    """Condition for rows called `file` that something else picks already.

    `visible` and `grantees` are the parameters of `Viewer.visible` and `Viewer.grantees`.
    """
    own = f"{visible}::text[] IS NULL OR file.collection = ANY ({visible})"
    return f"({own} OR (file.state <> 'erased' AND {shared(grantees)}))"


def first_visible(viewer: Viewer, rows: Rows, parameters: Parameters) -> str:
    """A query for the first of `rows` in the viewer's collections, to be run with `fetch_planned`.

    What is shared with the viewer beyond these, `services.results.read.shared_store` adds.
    """
    return first_rows(viewer.visible, rows, parameters)


def parse_file_id(text: str) -> UUID:
    """The id in a path. Raises NotFound: what is no id is as unknown as an id of nobody."""
    try:
        file_id = UUID(text)
    except ValueError:
        raise unknown() from None
    if str(file_id) != text.lower():
        raise unknown()
    return file_id


def unknown() -> NotFound:
    """The same answer for an unknown id and for one that the caller may not see."""
    return NotFound("You have no result with this id.")
