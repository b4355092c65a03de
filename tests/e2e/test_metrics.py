"""What the running system tells at /metrics: all that operators were promised, and nothing about people."""

from __future__ import annotations

import asyncio
import re

from libs.common.events import EVENT_TYPES
from services.processor.metrics import KNOWN_TRANSFER_SYNTAXES
from tests.builders import ct_instance
from tests.e2e.conftest import NewUser, System
from tests.e2e.processes import Client
from tests.exposition import Exposition
from tests.waiting import eventually

# Dashboards, alerts and the autoscaler ask for these by name.
PROMISED = {
    "dicom_build_info",
    "process_cpu_seconds_total",
    "process_resident_memory_bytes",
    "http_server_requests_total",
    "http_server_request_duration_seconds_bucket",
    "http_server_active_requests",
    "http_refusals_total",
    "http_transfers_cut_total",
    "bus_published_total",
    "bus_received_total",
    "bus_outcomes_total",
    "bus_handling_seconds_bucket",
    "bus_in_flight",
    "bus_waiting",
    "outbox_pending",
    "outbox_oldest_seconds",
    "outbox_published_total",
    "outbox_dead_total",
    "database_pool_connections",
    "database_pool_limit",
    "database_acquire_seconds_bucket",
    "storage_operation_seconds_bucket",
    "storage_operation_errors_total",
    "storage_free_bytes",
    "storage_size_bytes",
    "auth_signing_key_age_seconds",
    "auth_signing_keys",
    "keyring_current_key_age_seconds",
    "keyring_current_since_timestamp_seconds",
    "keyring_former_keys",
    "keyring_next_keys",
    "keyring_readable",
    "ingest_files_total",
    "ingest_received_bytes_total",
    "ingest_header_seconds_bucket",
    "processor_files_total",
    "processor_failures_total",
    "processor_lane_begun_total",
    "processor_lane_wait_seconds_bucket",
    "processor_decode_seconds_bucket",
    "processor_measure_seconds_bucket",
    "processor_decoded_bytes_total",
    "processor_slots",
    "processor_slots_busy",
    "processor_decoder_cpu_seconds_total",
    "processor_decoder_resident_bytes",
    "processor_decoder_restarts_total",
    "results_file_seconds_bucket",
    "results_files_total",
    "results_repeated_events_total",
    "results_waiting_files",
    "results_oldest_waiting_seconds",
    "results_batch_size_bucket",
    "ingest_group_size_bucket",
    "results_batch_seconds_bucket",
    "results_feed_lag_seconds",
    "results_sse_clients",
    "auth_sign_ins_total",
    "auth_refreshes_total",
}
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-", re.IGNORECASE)
UID = re.compile(r"\d+(\.\d+){5,}")


async def scrape(client: Client, system: System) -> Exposition:
    """Every process of the system, as one."""
    texts = []
    for process in system.processes.values():
        async with client.session.get(f"{process.url}/metrics") as answer:
            assert answer.status == 200
            texts.append(await answer.text())
    return Exposition.of(texts)


async def test_everything_promised_and_no_label_about_a_file_or_a_person(
    system: System, new_user: NewUser
) -> None:
    client = await new_user()
    _, me = await client.get("/api/auth/me")
    measured = ct_instance(sop_instance_uid="1.2.826.0.1.3680043.8.498.77")
    failing = ct_instance(sop_instance_uid="1.2.826.0.1.3680043.8.498.78", BitsStored=99)
    status, body = await client.upload(
        ("Muster^Max.dcm", measured), ("b.dcm", failing), ("c.dcm", b"no image")
    )
    assert status == 202
    ids = [file["id"] for file in body["files"] if file["id"] is not None]
    for file_id in ids:
        await client.ended(file_id)
        await client.get(f"/api/files/{file_id}")
    await client.get("/api/results/not-an-id")
    async with client.session.get(f"{client.urls['auth']}/api/auth/me") as answer:
        assert answer.status == 401

    async def complete() -> Exposition:
        scraped = await scrape(client, system)
        assert PROMISED - scraped.names == set()
        return scraped

    # The room of a store that is made by its first object is known at the next look.
    found = await eventually(complete)
    assert found.undocumented == []
    values = {value for sample in found.samples for value in sample.labels.values()}
    for secret in (*ids, me["username"], "Muster", "3680043", body["trace_id"]):
        assert not [value for value in values if secret in value]
    assert not [value for value in values if UUID.search(value)]
    assert {value for value in values if UID.search(value)} <= KNOWN_TRANSFER_SYNTAXES
    told = {value for value in values if value.startswith(("dicom.file.", "dicom.worker.", "dicom.lanes."))}
    assert told == set(EVENT_TYPES)
    routes = {sample.labels["route"] for sample in found.samples if "route" in sample.labels}
    assert "/api/files/{id}" in routes
    assert len(routes) < 200


async def still(client: Client, system: System) -> Exposition:
    """As soon as no file of a test before is under way any more."""
    found = [await scrape(client, system)]

    async def rests() -> bool:
        await asyncio.sleep(0.3)
        found.append(await scrape(client, system))
        first, second = (
            (
                one.value("bus_outcomes_total", queue="processor.work", outcome="ack"),
                one.value("results_files_total"),
            )
            for one in found[-2:]
        )
        return first == second

    await eventually(rests)
    return found[-1]


async def test_every_file_is_counted_on_its_way(system: System, new_user: NewUser) -> None:
    client = await new_user()
    before = await still(client, system)
    _, body = await client.upload(("a.dcm", content := ct_instance(rows=120, columns=100, seed=31)))
    await client.ended(body["files"][0]["id"])

    async def counted() -> bool:
        after = await scrape(client, system)

        def more(name: str, **labels: str) -> float:
            return after.value(name, **labels) - before.value(name, **labels)

        assert more("ingest_files_total", outcome="accepted") == 1
        assert more("ingest_received_bytes_total") == len(content)
        assert more("processor_files_total", outcome="processed") == 1
        assert more("processor_lane_begun_total") == more("processor_lane_wait_seconds_count") == 1
        assert more("processor_decoded_bytes_total") == 120 * 100 * 2
        assert more("processor_decode_seconds_count") == 1
        assert more("results_files_total", outcome="processed") == 1
        assert more("results_file_seconds_count") == 1
        assert more("results_file_seconds_bucket", le="60.0") == 1
        assert more("bus_outcomes_total", queue="processor.work", outcome="ack") == 1
        return True

    # Whoever processed it counts it once the outcome is told.
    await eventually(counted)
