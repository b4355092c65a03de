"""`python -m bench.studies`: lists, searches and counts among 20,000 studies of ten files.

One JSON line a figure; times are the client's, over HTTP, on one process with an embedded PostgreSQL.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from pathlib import Path

import aiohttp
import asyncpg
import orjson

from bench.people import admin_call, make_people, show
from bench.report import percentile
from bench.systems import embedded_system
from tests.e2e.processes import ADMIN, PASSWORD, Client

ASKED: dict[str, str] = {
    "first page": "",
    "by patient": "sort=patient",
    "by study date": "sort=-study_date",
    "a rare patient": "q=perez+00777",
    "a frequent name": "q=maria",
    "a name without accents": "q=garcia",
    "a device": "q=acme",
    "the name of a file": "q=im00777_5",
    "an absent word": "q=toaster",
    "beginning of a uid": "q=1.2.840.777",
    "modality": "modality=MR",
    "failed": "state=failed",
    "a month of studies": "study_from=2001-02-01&study_to=2001-02-28",
}
# Names of four families and five people, so that a fourth of all is found by one of them.
STUDIES = """
    INSERT INTO results.study (collection, study_instance_uid, patient_name, patient_names, patient_id,
        patient, study_date, study_time, accession_number, study_description, search, also, modalities,
        devices, owners, series, files_processed, files_failed, first_received_at, last_received_at)
    SELECT $1, '1.2.840.' || n, name, chr(10) || lower(translate(name, '^', ' ')) || chr(10),
        lpad(n::text, 5, '0'),
        lower(translate(name, '^', ' ')) || ' ' || lpad(n::text, 5, '0'),
        '2000-01-01'::date + n % 7000, '08:00', 'A' || n,
        'Torax', lower(translate(name, '^', ' ')) || ' ' || lpad(n::text, 5, '0') || ' torax',
        'im' || lpad(n::text, 5, '0') || '_1.dcm' || chr(10) || 'acme scanner',
        ARRAY[CASE WHEN n % 10 = 3 THEN 'MR' ELSE 'CT' END], '{ACME Scanner}', '{1}', 1, 10 - failed, failed,
        moment, moment
    FROM generate_series(1, $2::integer) AS n, LATERAL (
        SELECT (ARRAY['Garcia', 'Perez', 'Lopez', 'Roca'])[1 + n % 4] || '^'
                || (ARRAY['Maria', 'Leo', 'Ana', 'Zoe', 'Juan'])[1 + n % 5] AS name,
            (n % 100 = 7)::integer AS failed, now() - ($2::integer - n) * interval '1 min' AS moment) AS drawn
"""
FILES = """
    INSERT INTO results.upload_dicomresult (file_id, owner_id, collection, state, precedence, failure_reason,
        file_name, device_name, device, modality, received_at, study_instance_uid, series_instance_uid,
        sop_instance_uid, sop_class_uid, patient_name, patient, search, raw_data, header_version, counted,
        filed)
    SELECT (lpad(to_hex((extract(epoch FROM first_received_at) * 1000)::bigint + n), 12, '0') || '7'
            || substr(md5(study_instance_uid || n), 1, 19))::uuid,
        1, collection, state, 1, CASE WHEN state = 'failed' THEN 'decode-failed' END,
        'im' || patient_id || '_' || n || '.dcm', 'ACME Scanner', 'ACME Scanner', modalities[1],
        first_received_at, study_instance_uid, study_instance_uid || '.1', study_instance_uid || '.1.' || n,
        '1.2.840.10008.5.1.4.1.1.2', patient_name, patient,
        search || ' acme scanner im' || patient_id || '_' || n || '.dcm', $2::text::jsonb, 3, state, state
    FROM results.study CROSS JOIN generate_series(1, 10) AS n, LATERAL (
        SELECT CASE WHEN n <= files_failed THEN 'failed' ELSE 'processed' END AS state) AS told
    WHERE collection = $1
"""
SERIES = """
    INSERT INTO results.series (collection, study_instance_uid, series_instance_uid, modality, series_number,
        device, files_processed, files_failed, first_received_at, last_received_at)
    SELECT collection, study_instance_uid, study_instance_uid || '.1', modalities[1], 1, 'ACME Scanner',
        files_processed, files_failed, first_received_at, last_received_at
    FROM results.study WHERE collection = $1
"""
HEADER = orjson.dumps(
    {
        f"{tag:08X}": {"vr": "LO", "Value": [f"value {tag} of some length"]}
        for tag in range(0x00080100, 0x00080164)
    }
    | {"00100010": {"vr": "PN", "Value": [{"Alphabetic": "Garcia^Maria"}]}}
).decode()
"""About as long as a CT's."""


async def fill(url: str, collection: str, studies: int) -> None:
    """Rows as results would have written them, without objects; what autovacuum does comes at once."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(STUDIES, collection, studies)
        await connection.execute(FILES, collection, HEADER)
        await connection.execute(SERIES, collection)
        await connection.execute("VACUUM ANALYZE")
    finally:
        await connection.close()


async def measure(folder: Path, studies: int, calls: int) -> None:
    """Every figure, on a fresh system."""
    async with (
        embedded_system(folder, TRUSTED_PROXIES="127.0.0.1") as system,
        aiohttp.ClientSession() as session,
    ):
        admin = Client(session, system.urls)
        await admin.login(ADMIN, PASSWORD)
        (person,) = await make_people(admin, 1)
        auth = f"{admin.urls['auth']}/api/auth"
        wanted = {"name": "crowd", "mode": "view", "permissions": ["view_dicomresult"]}
        async with session.post(f"{auth}/groups", json=wanted, headers=admin.headers) as answer:
            group = await answer.json()
        await admin_call(admin, "PATCH", f"{auth}/users/{person.id}", {"groups": [group["id"]]})
        await fill(system.database, group["collection"], studies)
        member = Client(session, system.urls)
        await member.login(person.name, PASSWORD)
        asked = {name: f"/api/studies?{query}" for name, query in ASKED.items()}
        asked |= {"facets": "/api/studies/facets", "facets of a name": "/api/studies/facets?q=maria"}
        asked["one study"] = "/api/studies/1.2.840.777"
        for who, client in (("member", member), ("who sees all", admin)):
            for name, path in asked.items():
                await _measure(client, who, name, path, calls)


async def _measure(client: Client, who: str, name: str, path: str, calls: int) -> None:
    took, found = [], 0
    for _ in range(calls):
        started = time.perf_counter()
        url = client.urls["results"] + path
        async with client.session.get(url, headers=client.headers) as answer:
            body = await answer.json()
        took.append(time.perf_counter() - started)
        assert answer.status == 200, body
        found = len(body.get("studies", ()))
    p50, p99 = (percentile(took, of) * 1000 for of in (0.5, 0.99))
    show("studies", who=who, what=name, found=found, p50_ms=p50, p99_ms=p99, calls=calls)


def main() -> int:
    """Measure and tell."""
    parser = argparse.ArgumentParser(prog="python -m bench.studies", description=__doc__)
    parser.add_argument("--studies", type=int, default=20_000)
    parser.add_argument("--calls", type=int, default=100)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="dicom-bench-") as folder:
        asyncio.run(measure(Path(folder), given.studies, given.calls))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
