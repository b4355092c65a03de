"""What each image holds: its code, cut out by the Dockerfile's own commands, starts with its extras alone."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "infra" / "Dockerfile").read_text()
SERVICES = ("auth", "ingest", "processor", "results", "portal")

# A module that the image's packages do not hold is not found there either.
RUN_WITHOUT = """
import runpy, sys

class Missing:
    absent = frozenset(sys.argv[1].split(","))

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in self.absent:
            raise ModuleNotFoundError(f"No module named {name!r} in this image", name=name)
        return None

sys.meta_path.insert(0, Missing())
module, sys.argv = sys.argv[2], sys.argv[2:]
runpy.run_module(module, run_name="__main__", alter_sys=True)
"""


def extras_of(service: str) -> list[str]:
    """The extras that the Dockerfile installs into the image of `service`."""
    for names, extras in re.findall(r"^    ([a-z |]+)\) extras=\"([^\"]*)\"", DOCKERFILE, re.MULTILINE):
        if service in names.split(" | "):
            return re.findall(r"--extra (\S+)", extras.replace("${SERVICE}", service))
    raise AssertionError(f"the Dockerfile has no extras for {service}")


def packages(extras: list[str]) -> set[str]:
    """Every package that these extras bring, by uv.lock, for any platform."""
    locked = {one["name"]: one for one in tomllib.loads((ROOT / "uv.lock").read_text())["package"]}
    found: set[str] = set()
    waiting = [("dicom-processing-system", tuple(extras))]
    while waiting:
        name, chosen = waiting.pop()
        package = locked[name]
        optional = package.get("optional-dependencies", {})
        needed = [
            *package.get("dependencies", []),
            *(one for extra in chosen for one in optional.get(extra, [])),
        ]
        for one in needed:
            if one["name"] not in found or one.get("extra"):
                found.add(one["name"])
                waiting.append((one["name"], tuple(one.get("extra", ()))))
    return found


def absent(extras: list[str]) -> set[str]:
    """Top-level modules of the test environment that the image does not have."""
    held = packages(extras)

    def named(distribution: str) -> str:
        return re.sub(r"[-_.]+", "-", distribution).lower()

    return {
        module
        for module, distributions in packages_distributions().items()
        if not held.intersection(map(named, distributions)) and module.isidentifier()
    } - {"libs", "services"}


@pytest.fixture
def image(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The folder /app of the image of a service."""
    (commands,) = re.findall(r"code only\.\nRUN (.*?)\\\n    /app/\.venv", DOCKERFILE, re.DOTALL)
    app = tmp_path / "app"
    app.mkdir()
    script = re.sub(r"\\\n", "\n", re.sub(r"^ *#.*\n", "", commands, flags=re.MULTILINE))
    script = script.replace("/source", str(ROOT)).replace("/app", str(app))
    subprocess.run(["sh", "-c", script], env={**os.environ, "SERVICE": request.param}, check=True)
    assert (app / "services" / request.param).is_dir()
    return app


def run(app: Path, service: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """`python -m ARGUMENTS` in the image: what it needs and does not have, it does not find."""
    modules = ",".join(sorted(absent(extras_of(service))))
    return subprocess.run(
        [sys.executable, "-c", RUN_WITHOUT, modules, *arguments],
        cwd=app,
        env={"PATH": os.environ["PATH"], "HOME": str(app), "PYTHONDONTWRITEBYTECODE": "1", **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=250,
    )


@pytest.mark.parametrize("image", ["results"], indirect=True)
def test_reconcile_runs_in_the_image_of_results(image: Path) -> None:
    """As docs/operations.md says; it gets as far as asking for a database, and connects to none."""
    done = run(image, "results", "services.results", "reconcile", "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "--rebuild-rows" in done.stdout
    done = run(image, "results", "services.results", "reconcile")
    assert (done.returncode, done.stderr) == (3, done.stderr)
    assert done.stderr.startswith("Set DATABASE_ADMIN_URL: "), done.stderr


@pytest.mark.parametrize(("image", "service"), [(name, name) for name in SERVICES], indirect=["image"])
def test_each_service_finds_what_it_imports(image: Path, service: str) -> None:
    """Told nonsense it ends in a sentence, not in a traceback: by then everything is imported."""
    done = run(image, service, f"services.{service}", PORT="none")
    assert "Traceback" not in done.stderr, done.stderr
    assert "in this image" not in done.stderr, done.stderr
    assert done.returncode != 0, done.stdout


def test_extras_are_told_apart() -> None:
    """Else the tests above would prove nothing."""
    assert extras_of("results") == ["results", "gridfs"]
    assert {"pydicom", "numpy", "PIL", "gdcm", "pytest"} <= absent(["auth"])
    assert {"PIL", "gdcm", "pytest"} <= absent(["ingest", "gridfs"])
    assert not {"asyncpg", "aio_pika", "motor", "pydantic"} & absent(["results", "gridfs"])
