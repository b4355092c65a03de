"""Prometheus metrics of the results service."""

from __future__ import annotations

from typing import Literal, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from libs.common.events import EVENT_TYPES, RequestReason
from libs.common.telemetry.metrics import SECONDS, preset

# What is promised is 60 s: that boundary must be one of these.
_FILE_SECONDS = (
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
    20.0,
    30.0,
    45.0,
    60.0,
    90.0,
    120.0,
    300.0,
    900.0,
    3600.0,
)

Opening = Literal["opened", "unknown", "password-required", "wrong-password", "throttled", "busy"]
WorkerCondition = Literal["working", "draining", "stopped", "lost"]
WORKER_STATES: tuple[WorkerCondition, ...] = get_args(WorkerCondition)
StandbyRefusal = Literal["behind", "foreign", "away"]
"""Why a standby is not read: it lacks something yet, it is no standby of this primary, it does not answer."""
PixelOperation = Literal["explicit", "native", "spans", "frames", "value", "render", "values"]
PixelOutcome = Literal["done", "refused", "abandoned", "timed-out", "crashed", "failed"]
"""`refused`: the file's fault, or a form that cannot be had; `abandoned`: nobody waits for it any more."""
GRANTEES = ("user", "group", "link")
"""With whom something is shared."""


class ResultsMetrics:
    """How long files take, what became of them, and how the change feed and its readers do."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Register on `registry`, once per process."""
        self.file_seconds = Histogram(
            "results_file_seconds",
            "Time from the acceptance of a file until its first outcome was stored",
            buckets=_FILE_SECONDS,
            registry=registry,
        )
        self.files = Counter(
            "results_files_total",
            "Outcomes stored; a failed file that is processed later counts twice",
            ["outcome"],
            registry=registry,
        )
        preset(self.files, ("processed", "failed"))
        self.repeated_events = Counter(
            "results_repeated_events_total",
            "Events that changed nothing: delivered again, or late",
            ["type"],
            registry=registry,
        )
        preset(self.repeated_events, EVENT_TYPES)
        self.refused_events = Counter(
            "results_refused_events_total",
            "Events that name an object of another file: never applied, kept as dead letters",
            registry=registry,
        )
        self.unstorable = Counter(
            "results_unstorable_total",
            "Outcomes and headers that PostgreSQL cannot store: a failed file, a row with a warning",
            ["part"],
            registry=registry,
        )
        preset(self.unstorable, ("outcome", "header"))
        self.stale_outcomes = Counter(
            "results_stale_outcomes_total",
            "Outcomes that were made from other bytes than the file's, and changed nothing",
            registry=registry,
        )
        self.superseded_files = Counter(
            "results_superseded_files_total",
            "Failed files that another one with the same SOP Instance UID has replaced",
            registry=registry,
        )
        self.moved_files = Counter(
            "results_moved_files_total",
            "Files that were moved into another collection",
            registry=registry,
        )
        self.requests = Counter(
            "results_requests_total", "Files asked to be measured again", ["reason"], registry=registry
        )
        preset(self.requests, get_args(RequestReason))
        self.pending_requests = Gauge(
            "results_pending_requests",
            "Files asked to be measured again and without answer",
            ["reason"],
            registry=registry,
        )
        for reason in get_args(RequestReason):
            self.pending_requests.labels(reason)
        self.jobs_running = Gauge("results_jobs_running", "Jobs that are not at their end", registry=registry)
        self.job_files = Gauge("results_job_files", "Files of jobs that are under way", registry=registry)
        self.job_idle_seconds = Gauge(
            "results_job_idle_seconds",
            "Longest time in which a job with files under way, cancelled or not, has not advanced",
            registry=registry,
        )
        self.waiting_files = Gauge(
            "results_waiting_files", "Files received and without outcome, up to 100000", registry=registry
        )
        self.oldest_waiting_seconds = Gauge(
            "results_oldest_waiting_seconds",
            "Age of the oldest file without outcome; 0 without any",
            registry=registry,
        )
        self.unfilled_rows = Gauge(
            "results_unfilled_rows",
            "Results of an earlier release that fill-results has to complete, up to 100000",
            registry=registry,
        )
        self.batch_size = Histogram(
            "results_batch_size",
            "Events committed in one transaction",
            buckets=(1, 2, 4, 8, 16, 32, 64),
            registry=registry,
        )
        self.batch_seconds = Histogram(
            "results_batch_seconds", "Time of one transaction", buckets=SECONDS, registry=registry
        )
        self.feed_lag = Gauge(
            "results_feed_lag_seconds",
            "Age of the oldest change that a running transaction still hides from readers",
            registry=registry,
        )
        self.reads = Counter(
            "results_reads_total",
            "Lists, counts, searches, whole studies and results that were read, by who answered",
            ["target"],
            registry=registry,
        )
        preset(self.reads, ("primary", "standby"))
        self.standby_lag = Gauge(
            "results_standby_lag_seconds",
            "Time since the standby last had all that the primary had; 0: it has, or there is none",
            registry=registry,
        )
        self.standby_refusals = Counter(
            "results_standby_refusals_total",
            "Times that the standby was not read: behind, away, or foreign (no standby of this primary)",
            ["cause"],
            registry=registry,
        )
        preset(self.standby_refusals, get_args(StandbyRefusal))
        self.feed_restarts = Counter(
            "results_feed_restarts_total",
            "Times that the change feed began anew, since PostgreSQL was replaced (a failover, a restore)",
            registry=registry,
        )
        self.unreadable_thumbnails = Counter(
            "results_unreadable_thumbnails_total",
            "Thumbnails asked for that were lost, or empty or corrupt; reconcile has them made again",
            ["cause"],
            registry=registry,
        )
        preset(self.unreadable_thumbnails, ("missing", "corrupt"))
        self.shares = Gauge(
            "results_shares",
            "Shares in force, by whom they are with, up to 100000",
            ["grantee"],
            registry=registry,
        )
        for whom in GRANTEES:
            self.shares.labels(whom)
        self.shares_given = Counter("results_shares_given_total", "Things shared", registry=registry)
        self.shares_ended = Counter(
            "results_shares_ended_total",
            "Shares that ended: taken back (with what was given under them), or their time was over",
            ["cause"],
            registry=registry,
        )
        preset(self.shares_ended, ("taken-back", "expired"))
        self.link_openings = Counter(
            "results_link_openings_total",
            "Attempts to open a link; unknown: none such, or over; throttled: answered with 429, busy: 503",
            ["outcome"],
            registry=registry,
        )
        preset(self.link_openings, get_args(Opening))
        self.link_sessions = Gauge(
            "results_link_sessions", "Browsers in which a link is open", registry=registry
        )
        self.link_counters = Gauge(
            "results_link_throttle_counters",
            "Counters of refused openings of links; blocked: those that hold somebody up now",
            ["state"],
            registry=registry,
        )
        self.workers = Gauge(
            "results_workers",
            "Processes that measure files, heard of within the hour; lost: three beats are missing",
            ["state"],
            registry=registry,
        )
        for condition in WORKER_STATES:
            self.workers.labels(condition)
        self.lane_paused = Gauge(
            "processing_lane_paused_seconds",
            "Since when a lane is paused by an operator; 0: it is not",
            ["lane"],
            registry=registry,
        )
        self.dead_letters = Counter(
            "results_dead_letters_total",
            "Dead letters that operators have settled over the API",
            ["fate"],
            registry=registry,
        )
        preset(self.dead_letters, ("replayed", "dropped"))
        self.sse_clients = Gauge("results_sse_clients", "Open /api/events streams", registry=registry)
        self.sse_cut = Counter(
            "results_sse_cut_total", "Streams ended because the client was too slow", registry=registry
        )
        self.pixel_calls = Counter(
            "results_pixel_calls_total",
            "Calls of isolated processes that decode for readers",
            ["operation", "outcome"],
            registry=registry,
        )
        for operation in get_args(PixelOperation):
            for outcome in get_args(PixelOutcome):
                self.pixel_calls.labels(operation, outcome)
        self.pixel_seconds = Histogram(
            "results_pixel_seconds",
            "Time of such a call, without its waiting for a turn",
            ["operation"],
            buckets=SECONDS,
            registry=registry,
        )
        for operation in get_args(PixelOperation):
            self.pixel_seconds.labels(operation)
        self.pixels_waiting = Gauge(
            "results_pixels_waiting", "Calls that wait for such a process", registry=registry
        )
        self.pixels_kept = Counter(
            "results_pixels_kept_total",
            "Pictures and decoded frames that were looked for among those made lately",
            ["outcome"],
            registry=registry,
        )
        preset(self.pixels_kept, ("found", "missed", "spoiled"))
        self.pixels_kept_bytes = Gauge(
            "results_pixels_kept_bytes", "Bytes of them that are kept, sealed, in memory", registry=registry
        )
        self.viewer_frames = Counter(
            "results_viewer_frames_total",
            "Frames asked for by the portal's viewer: given as values or as pictures; unchanged: it had them",
            ["kind"],
            registry=registry,
        )
        preset(self.viewer_frames, ("values", "picture", "unchanged"))
        self.stored_instead = Counter(
            "results_stored_instead_total",
            "Instances of a study or series that could not be transcoded and were given as they are stored",
            registry=registry,
        )
