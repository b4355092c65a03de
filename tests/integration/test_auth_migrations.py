"""Auth's schema: what people of the release before could do, they still can, and it is written down."""

from __future__ import annotations

import shutil
from pathlib import Path

import asyncpg

from libs.common.database.migrations import Migrations, migrate
from services.operator.migrations import MIGRATIONS

(AUTH,) = (source for source in MIGRATIONS if source.schema == "auth")

GIVEN = """
    SELECT one.username, ARRAY(
        SELECT p.codename FROM auth.auth_user_user_permissions AS up
        JOIN auth.auth_permission AS p ON p.id = up.permission_id WHERE up.user_id = one.id
    ) AS permissions, ARRAY(
        SELECT g.name FROM auth.auth_user_groups AS ug
        JOIN auth.auth_group AS g ON g.id = ug.group_id WHERE ug.user_id = one.id ORDER BY 1
    ) AS groups
    FROM auth.auth_user AS one ORDER BY one.id
"""


async def test_todays_staff_sees_everything_and_everybody_uploads(
    empty_database_url: str, tmp_path: Path
) -> None:
    folder = tmp_path / "auth"
    folder.mkdir()
    first, *_ = sorted(AUTH.folder.glob("*.sql"))
    shutil.copy(first, folder)
    await migrate(empty_database_url, [Migrations("auth", folder)])
    connection = await asyncpg.connect(empty_database_url)
    try:
        await connection.execute(
            """
            INSERT INTO auth.auth_group (name) VALUES ('heart'), ('auditor');
            INSERT INTO auth.auth_user (username, password, is_staff, is_superuser) VALUES
                ('ana', '!', false, false), ('staff', '!', true, false), ('root', '!', false, true);
            INSERT INTO auth.auth_user_groups (user_id, group_id)
                SELECT u.id, g.id FROM auth.auth_user AS u, auth.auth_group AS g
                WHERE (u.username, g.name) = ('ana', 'heart');
            """
        )
        await migrate(empty_database_url, MIGRATIONS)
        rows = await connection.fetch(GIVEN)
        found = {row["username"]: (row["permissions"], row["groups"]) for row in rows}
        assert found == {
            "ana": ([], ["heart", "uploader"]),
            "staff": (["view_all_dicomresult"], ["uploader"]),
            "root": (["view_all_dicomresult"], ["uploader"]),
        }
        names = {row["name"] for row in await connection.fetch("SELECT name FROM auth.auth_group")}
        assert names == {"heart", "uploader", "radiologist", "operator", "auditor", "administrator"}
        modes = await connection.fetch("SELECT DISTINCT mode FROM auth.auth_group")
        assert [row["mode"] for row in modes] == ["none"]
    finally:
        await connection.close()
