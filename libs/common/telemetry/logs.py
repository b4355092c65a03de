"""Logs as JSON lines with trace ids, or as text."""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime

import orjson
from aiohttp.http_exceptions import HttpProcessingError
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


def tells_no_request(record: logging.LogRecord) -> bool:
    """Make one line of what aiohttp says of a request that cannot be read; a filter of its logger.

    It quotes the request: a patient who is searched for, a key. Its sender is told, and nobody else.
    """
    error = record.exc_info[1] if record.exc_info else None
    if not isinstance(error, HttpProcessingError):
        return True
    record.msg += ": %s"
    record.args = (*(record.args if isinstance(record.args, tuple) else ()), type(error).__name__)
    record.exc_info, record.exc_text = None, None
    record.levelno, record.levelname = logging.INFO, "INFO"
    return logging.getLogger().isEnabledFor(logging.INFO)


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
    logging.getLogger("aiohttp.server").filters[:] = [tells_no_request]
    for noisy in ("aiormq", "aio_pika", "pydicom", "PIL", "asyncio"):
        logging.getLogger(noisy).setLevel(max(root.level, logging.WARNING))
