"""Logs, traces, and which build tells them."""

from __future__ import annotations

from pydantic import Field

from libs.common.settings.tls import TlsSettings


class TelemetrySettings(TlsSettings):
    """What a process tells of itself."""

    log_level: str = Field(
        "INFO", pattern="^(?i:DEBUG|INFO|WARNING|ERROR)$", description="DEBUG, INFO, WARNING or ERROR."
    )
    log_format: str = Field("json", pattern="^(json|text)$", description="`json` or `text`.")
    build_revision: str | None = Field(
        None, description="Revision of the source an image was built from; shown in `dicom_build_info`."
    )
    otel_exporter_otlp_endpoint: str | None = Field(
        None, description="OTLP/HTTP endpoint for traces; unset: no export."
    )
    otel_traces_sampler_arg: float = Field(
        1.0, ge=0, le=1, description="Share of new traces that are recorded when an endpoint is set."
    )
