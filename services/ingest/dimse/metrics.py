"""Prometheus metrics of the DICOM door."""

from __future__ import annotations

from typing import Literal, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge

from libs.common.telemetry.metrics import preset
from services.ingest.dimse.pdus import REJECTIONS

AssociationEnd = Literal["released", "aborted", "lost", "timeout", "protocol", "drained", "failed"]
"""By the peer in order, by the peer, cut, too slow or silent, PS3.8 not kept, at shutdown, by our fault."""


class DimseMetrics:
    """Associations by how they began and ended, and messages by how they were answered."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Register on `registry`, once per process."""
        self.open = Gauge("dimse_associations_open", "Associations open now", registry=registry)
        self.accepted = Counter(
            "dimse_associations_accepted_total", "Associations accepted", registry=registry
        )
        self.rejected = Counter(
            "dimse_associations_rejected_total",
            "Associations rejected; `congestion` and `local-limit` pass, the rest is for a person to mend",
            ["reason"],
            registry=registry,
        )
        preset(self.rejected, [rejection.word for rejection in REJECTIONS])
        self.ended = Counter(
            "dimse_associations_ended_total",
            "Associations that were accepted, by how they ended",
            ["ending"],
            registry=registry,
        )
        preset(self.ended, get_args(AssociationEnd))
        self.messages = Counter(
            "dimse_messages_total",
            "Requests answered, by operation and status (hexadecimal; 0000 is success)",
            ["operation", "status"],
            registry=registry,
        )
        for operation in ("C-ECHO", "C-STORE"):
            self.messages.labels(operation, "0000")
