"""Logs as JSON lines with trace ids, or as text."""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime

import orjson
from opentelemetry import trace

from libs.common.settings.telemetry import TelemetrySettings


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, trace ids, and `extra={"fields": …}`."""

    def format(self, record: logging.LogRecord) -> str:
        """Serialise one record."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        context = trace.get_current_span().get_span_context()
        if context.is_valid:
            line["trace_id"] = f"{context.trace_id:032x}"
            line["span_id"] = f"{context.span_id:016x}"
        line.update(getattr(record, "fields", {}))
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str).decode()


def configure_logging(settings: TelemetrySettings) -> None:
    """Send all logs to standard error; standard output stays for what an operator asked for."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        JsonFormatter()
        if settings.log_format == "json"
        else logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level.upper())
    for noisy in ("aiormq", "aio_pika", "pydicom", "PIL", "asyncio"):
        logging.getLogger(noisy).setLevel(max(root.level, logging.WARNING))
