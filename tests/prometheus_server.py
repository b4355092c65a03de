"""Debian's Prometheus on the product's own configuration and rules, with another clock and other addresses.

What is rendered: DNS names become ports of 127.0.0.1, /run/certs becomes a folder of the test, there is no
Alertmanager, and every interval and `for` is FASTER times shorter, so that an alert of three minutes fires in
twelve seconds. Expressions, and so the windows of their rates, stay as they are.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, Self

import aiohttp
import yaml

from tests.certificates import Certificates, Files
from tests.ports import free_ports

Json = dict[str, Any]
SOURCE = Path(__file__).parents[1] / "infra" / "prometheus"
FASTER = 15
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_MOUNTED = "/run/certs/"


class PrometheusServer:
    """The server on `folder`; use as a context manager, from the main thread."""

    def __init__(
        self, folder: Path, certificates: Certificates, host: Files, targets: Mapping[str, int]
    ) -> None:
        """`targets` has a port for each job of the configuration but Prometheus' own and Alertmanager's."""
        self._folder = folder
        self._certificates = certificates
        (self.port,) = free_ports(1)
        self._process: subprocess.Popen[bytes] | None = None
        ports = {**targets, "prometheus": self.port}
        mounted = {"ca.crt": certificates.ca_file, "tls.crt": host.certificate, "tls.key": host.key}
        folder.joinpath("rules").mkdir()
        for path in SOURCE.joinpath("rules").glob("*.yml"):
            folder.joinpath("rules", path.name).write_text(yaml.safe_dump(faster(_read(path))))
        for name in ("prometheus.yml", "web.yml"):
            document = _read(SOURCE / name)
            if name == "prometheus.yml":
                document = local(document, ports)
            text = yaml.safe_dump(document)
            for file, path in mounted.items():
                text = text.replace(f"{_MOUNTED}{file}", str(path))
            folder.joinpath(name).write_text(text)

    def __enter__(self) -> Self:
        program = shutil.which("prometheus")
        assert program is not None, "Prometheus is missing: apt-get install prometheus (make test does)"
        with self._folder.joinpath("prometheus.log").open("ab") as output:
            self._process = subprocess.Popen(
                [
                    *("setpriv", "--pdeathsig", "KILL", program),
                    f"--config.file={self._folder}/prometheus.yml",
                    f"--web.config.file={self._folder}/web.yml",
                    f"--web.listen-address=127.0.0.1:{self.port}",
                    f"--storage.tsdb.path={self._folder}/data",
                    "--log.level=warn",
                ],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.wait(60)

    async def query(self, session: aiohttp.ClientSession, expression: str) -> list[Json]:
        """The samples of an instant query, now. Raises ClientResponseError while it starts."""
        assert self._process is not None
        assert self._process.poll() is None, self._folder.joinpath("prometheus.log").read_text()[-3000:]
        async with session.get(
            f"https://127.0.0.1:{self.port}/api/v1/query",
            params={"query": expression},
            ssl=self._certificates.client(),
        ) as answer:
            if answer.status == HTTPStatus.SERVICE_UNAVAILABLE:
                answer.raise_for_status()
            body: Json = await answer.json(content_type=None)
        assert body["status"] == "success", body
        found: list[Json] = body["data"]["result"]
        return found


def local(document: Json, ports: Mapping[str, int]) -> Json:
    """The configuration with `ports` of 127.0.0.1 as targets; one without a port is not scraped."""
    jobs = [job for job in document["scrape_configs"] if job["job_name"] in ports]
    assert {job["job_name"] for job in jobs} == set(ports)
    for job in jobs:
        job.pop("dns_sd_configs", None)
        job["static_configs"] = [{"targets": [f"127.0.0.1:{ports[job['job_name']]}"]}]
    del document["alerting"]
    intervals = {name: shorter(value) for name, value in document["global"].items()}
    return {**document, "global": intervals, "scrape_configs": jobs}


def faster(document: Json) -> Json:
    """The rules with shorter intervals and `for`s."""
    for group in document["groups"]:
        if "interval" in group:
            group["interval"] = shorter(group["interval"])
        for rule in group["rules"]:
            if "for" in rule:
                rule["for"] = shorter(rule["for"])
    return document


def shorter(duration: str) -> str:
    """FASTER times shorter, in milliseconds."""
    parts = re.findall(r"(\d+)([smhd])", duration)
    assert "".join(number + unit for number, unit in parts) == duration
    seconds = sum(int(number) * _UNITS[unit] for number, unit in parts)
    return f"{seconds * 1000 // FASTER}ms"


def _read(path: Path) -> Json:
    document: Json = yaml.safe_load(path.read_text())
    return document
