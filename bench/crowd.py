"""Lists among many files of one collection: rows as results would have written them, without objects."""

from __future__ import annotations

import time

import asyncpg

from bench.people import Person, admin_call, show
from bench.report import percentile
from tests.e2e.processes import PASSWORD, Client

LISTS: dict[str, tuple[str, dict[str, str]]] = {
    "first page": ("/api/results", {"limit": "50"}),
    "first page of a state": ("/api/results", {"limit": "50", "state": "failed"}),
    "first page of a search": ("/api/results", {"limit": "50", "q": "zebra"}),
    "summary": ("/api/results/summary", {}),
}

# A file a second; a hundred after one another are a study of one series. One in a thousand failed, on an odd
# machine. File ids begin with the time, as those of uploads do (RFC 9562 5.7).
_FILES = """
    INSERT INTO results.upload_dicomresult (file_id, owner_id, collection, state, precedence, failure_reason,
        file_name, device_name, modality, received_at, processed_at, study_instance_uid, series_instance_uid,
        sop_instance_uid, patient_name, search, raw_data, header_version, counted, filed)
    SELECT (lpad(to_hex((extract(epoch FROM moment) * 1000)::bigint), 12, '0')
            || '7' || lpad(to_hex(n), 19, '0'))::uuid,
        1, $1, state, 1, CASE WHEN state = 'failed' THEN 'decode-failed' END,
        'slice' || n || '.dcm', CASE WHEN state = 'failed' THEN 'Odd Machine' ELSE 'ACME Scanner' END,
        'CT', moment, moment, '1.2.' || n / 100, '1.2.3.' || n / 100, '2.25.' || n, 'Somebody^' || n / 100,
        'somebody ' || n / 100
            || CASE WHEN state = 'failed' THEN ' zebra odd machine' ELSE ' acme scanner' END,
        '{}', 2, state, state
    FROM generate_series(1, $2::integer) AS n, LATERAL (
        SELECT CASE WHEN n % 1000 = 7 THEN 'failed' ELSE 'processed' END AS state,
            now() - ($2::integer - n) * interval '1 s' AS moment) AS drawn
"""
_STUDIES = """
    INSERT INTO results.study (collection, study_instance_uid, patient_name, modalities, series,
        files_processed, files_failed, first_received_at, last_received_at)
    SELECT collection, study_instance_uid, min(patient_name), '{CT}', 1,
        count(*) FILTER (WHERE state = 'processed'), count(*) FILTER (WHERE state = 'failed'),
        min(received_at), max(received_at)
    FROM results.upload_dicomresult WHERE collection = $1 GROUP BY 1, 2
"""
_SERIES = """
    INSERT INTO results.series (collection, study_instance_uid, series_instance_uid, modality,
        files_processed, files_failed)
    SELECT collection, study_instance_uid, series_instance_uid, 'CT',
        count(*) FILTER (WHERE state = 'processed'), count(*) FILTER (WHERE state = 'failed')
    FROM results.upload_dicomresult WHERE collection = $1 GROUP BY 1, 2, 3
"""
_COUNTS = """
    INSERT INTO results.counter (collection, state, files)
    SELECT collection, state, count(*) FROM results.upload_dicomresult WHERE collection = $1 GROUP BY 1, 2
"""


async def fill(admin_url: str, collection: str, files: int) -> None:
    """Rows of `files` files with their studies, series and counters; what autovacuum does comes at once."""
    connection = await asyncpg.connect(admin_url)
    try:
        async with connection.transaction():
            await connection.execute(_FILES, collection, files)
            for statement in (_STUDIES, _SERIES, _COUNTS):
                await connection.execute(statement, collection)
        await connection.execute("VACUUM ANALYZE")
    finally:
        await connection.close()


async def measure_lists(client: Client, admin_url: str, person: Person, rows: int, calls: int) -> None:
    """As a member of a group in whose collection `rows` files lie."""
    auth = f"{client.urls['auth']}/api/auth"
    wanted = {"name": "crowd", "mode": "view", "permissions": ["view_dicomresult"]}
    async with client.session.post(f"{auth}/groups", json=wanted, headers=client.headers) as answer:
        group = await answer.json()
    await admin_call(client, "PATCH", f"{auth}/users/{person.id}", {"groups": [group["id"]]})
    await fill(admin_url, group["collection"], rows)
    member = Client(client.session, client.urls)
    await member.login(person.name, PASSWORD)
    path, first = LISTS["first page"]
    _, page = await member.get(path, **first)
    lists = {**LISTS, "second page": (path, {**first, "cursor": page["next_cursor"]})}
    for name, (path, query) in lists.items():
        took = []
        for _ in range(calls):
            started = time.perf_counter()
            status, body = await member.get(path, **query)
            took.append(time.perf_counter() - started)
            assert status == 200, body
        show(
            "list",
            what=name,
            files=rows,
            p50_ms=percentile(took, 0.5) * 1000,
            p99_ms=percentile(took, 0.99) * 1000,
            calls=calls,
        )
