"""Prometheus metrics of the ingest service."""

from __future__ import annotations

from typing import Literal, get_args

from prometheus_client import CollectorRegistry, Counter, Histogram

from libs.common.errors import Conflict, RequestError
from libs.common.telemetry.metrics import SECONDS, Labelled, preset

UploadOutcome = Literal["accepted", "duplicate", "conflict", "rejected", "unavailable"]


class IngestMetrics:
    """What became of each file sent, how many bytes they were, and what reading their headers takes."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Register on `registry`, once per process."""
        self.files = Labelled(
            Counter(
                "ingest_files_total",
                "Files received, by what became of them; only `unavailable` is this system's fault",
                ["outcome"],
                registry=registry,
            )
        )
        preset(self.files, get_args(UploadOutcome))
        self.received_bytes = Counter(
            "ingest_received_bytes_total", "Bytes of files received, refused ones too", registry=registry
        )
        self.header_seconds = Histogram(
            "ingest_header_seconds", "Time to read one header", buckets=SECONDS, registry=registry
        )
        self.group_size = Histogram(
            "ingest_group_size",
            "Files accepted by one statement",
            buckets=(1, 2, 4, 8, 16, 32, 64),
            registry=registry,
        )

    def ended(self, outcome: UploadOutcome) -> None:
        """Count one file."""
        self.files.labels(outcome).inc()

    def failed(self, error: Exception) -> None:
        """Count one file that was not accepted; a sender who has gone is no outcome."""
        match error:
            case Conflict():
                self.ended("conflict")
            case RequestError():
                self.ended("rejected")
            case ConnectionError():
                return
            case _:
                self.ended("unavailable")
