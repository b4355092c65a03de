"""Prometheus metrics of the processor service."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from functools import partial
from typing import get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from libs.common.bus.contract import Delivery
from libs.common.bus.lanes import DEFAULT_LANES, lane_class, lane_names
from libs.common.events import EventData, FailureReason, FileFailed
from libs.common.telemetry.metrics import SECONDS, Labelled, preset
from services.processor.answers import Measured, Refused
from services.processor.circuit import Circuits

# The registered transfer syntaxes are few, but the header's value is the sender's: others share one label.
KNOWN_TRANSFER_SYNTAXES = frozenset(
    {
        "1.2.840.10008.1.2",
        *(f"1.2.840.10008.1.2.{n}" for n in ("1", "1.98", "1.99", "2", "5", "8.1")),
        *(f"1.2.840.10008.1.2.4.{n}" for n in (50, 51, 57, 70, 80, 81, 90, 91, 201, 202, 203)),
    }
)

OTHER = "other"
ADMISSION_WAITS = ("slots", "memory", "put-off", "handed-on", "too-large")
_WAITS = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0)


class ProcessorMetrics:
    """Outcomes, and the time and the bytes of each file by transfer syntax."""

    def __init__(self, registry: CollectorRegistry, lanes: int = DEFAULT_LANES) -> None:
        """Register with the process's registry; `lanes` is how many the collections share."""
        self._files = Labelled(
            Counter(
                "processor_files_total",
                "Files ended, by outcome and reason",
                ["outcome", "reason"],
                registry=registry,
            )
        )
        self._files.labels("processed", "")
        preset(self._files, ("failed",), get_args(FailureReason))
        self._failures = Counter(
            "processor_failures_total",
            "Files that failed, by reason and transfer syntax",
            ["reason", "transfer_syntax"],
            registry=registry,
        )
        self.outcomes_waiting = Gauge(
            "processor_outcomes_waiting",
            "Finished files whose outcome cannot be stored or published; no other file is begun meanwhile",
            registry=registry,
        )
        self._circuit_open = Gauge(
            "processor_circuit_open",
            "Whether a codec is paused because its decoders crashed on several files in a row",
            ["transfer_syntax"],
            registry=registry,
        )
        self.budget_bytes = Gauge(
            "processor_budget_bytes",
            "Memory that files under way may take together, as the machine is now",
            registry=registry,
        )
        self.budget_used = Gauge(
            "processor_budget_used_bytes",
            "Memory that the files under way may take, as estimated",
            registry=registry,
        )
        self.admission_waits = Labelled(
            Counter(
                "processor_admission_waits_total",
                "Files that did not begin at once, by what for: slots or memory; put-off and handed-on "
                "to larger workers; too-large for any",
                ["reason"],
                registry=registry,
            )
        )
        preset(self.admission_waits, ADMISSION_WAITS)
        self._lane_begun = Labelled(
            Counter(
                "processor_lane_begun_total",
                "Deliveries that were begun, by the lane in which they waited",
                ["lane"],
                registry=registry,
            )
        )
        self._lane_wait_seconds = Labelled(
            Histogram(
                "processor_lane_wait_seconds",
                "Time from a file's announcement until its first attempt begins, by class of lane",
                ["class"],
                buckets=_WAITS,
                registry=registry,
            )
        )
        for lane in lane_names(lanes):
            self._lane_begun.labels(lane)
            self._lane_wait_seconds.labels(lane_class(lane))
        self._decode_seconds = Labelled(
            Histogram(
                "processor_decode_seconds",
                "Time that one file takes of a decoder process: to read, decrypt, decode and measure it",
                ["transfer_syntax"],
                buckets=SECONDS,
                registry=registry,
            )
        )
        self._measure_seconds = Labelled(
            Histogram(
                "processor_measure_seconds",
                "The part of processor_decode_seconds that goes into measures and thumbnail",
                ["transfer_syntax"],
                buckets=SECONDS,
                registry=registry,
            )
        )
        self._decoded_bytes = Labelled(
            Counter(
                "processor_decoded_bytes_total",
                "Bytes of pixel data, decoded",
                ["transfer_syntax"],
                registry=registry,
            )
        )

    def show(self, circuits: Circuits) -> None:
        """Show from now on which codecs are paused."""

        def paused(label: str) -> float:
            return float(label in circuits.paused(time.monotonic()))

        for label in (*KNOWN_TRANSFER_SYNTAXES, OTHER):
            self._circuit_open.labels(label).set_function(partial(paused, label))

    def begun(self, delivery: Delivery) -> None:
        """A delivery begins; only a file's first tells how long it waited for its turn."""
        if delivery.lane is None:
            return
        self._lane_begun.labels(delivery.lane).inc()
        if delivery.attempt == 1:
            # The clocks of two machines may differ.
            waited = max((datetime.now(UTC) - delivery.arrived).total_seconds(), 0.0)
            self._lane_wait_seconds.labels(lane_class(delivery.lane)).observe(waited)

    def measured(self, transfer_syntax_uid: str, result: Measured) -> None:
        """One file was measured."""
        label = label_of(transfer_syntax_uid)
        self._decode_seconds.labels(label).observe(result.seconds)
        self._measure_seconds.labels(label).observe(result.analysis.measure_seconds)
        self._decoded_bytes.labels(label).inc(result.analysis.data_size or 0)

    def refused(self, transfer_syntax_uid: str, result: Refused) -> None:
        """A decoder has tried one file, in vain."""
        self._decode_seconds.labels(label_of(transfer_syntax_uid)).observe(result.seconds)

    def ended(self, transfer_syntax_uid: str, outcome: EventData) -> None:
        """The outcome of one file is published."""
        if isinstance(outcome, FileFailed):
            self._files.labels("failed", outcome.reason).inc()
            self._failures.labels(outcome.reason, label_of(transfer_syntax_uid)).inc()
        else:
            self._files.labels("processed", "").inc()


def label_of(transfer_syntax_uid: str) -> str:
    """The codec's label: the transfer syntax, if it is a known one."""
    return transfer_syntax_uid if transfer_syntax_uid in KNOWN_TRANSFER_SYNTAXES else OTHER
