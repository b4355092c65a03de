"""The deployment in podman: images, the compose file's project, and what of both is told at the end."""

from __future__ import annotations

import secrets
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import pytest

from tests.deploy import product, stand_ins
from tests.deploy.podman import Podman, PodmanError
from tests.deploy.stack import Behind, Stack, behind_gateway
from tests.e2e.conftest import client as client
from tests.e2e.conftest import new_user as new_user
from tests.ports import free_ports

FIGURES = pytest.StashKey[dict[str, str]]()


def pytest_configure(config: pytest.Config) -> None:
    """What tests measure is told at the end, not asserted."""
    config.stash[FIGURES] = {}


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, exitstatus: int, config: pytest.Config
) -> None:
    """Print the figures."""
    figures = config.stash[FIGURES]
    if figures:
        terminalreporter.section("figures of the deployment")
        for name, value in figures.items():
            terminalreporter.write_line(f"{name}: {value}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With a failure, what the containers said last: afterwards they are gone."""
    report = yield
    stack = getattr(item, "funcargs", {}).get("stack")
    if report.failed and isinstance(stack, Stack):
        with suppress(PodmanError):  # podman may be what failed
            for container in stack.containers():
                name = str(container["Names"][0])
                report.sections.append((f"log of {name}", stack.podman.logs(name)))
    return report


@pytest.fixture(scope="session")
def figures(pytestconfig: pytest.Config) -> dict[str, str]:
    """Put a figure here and it is printed at the end."""
    return pytestconfig.stash[FIGURES]


@pytest.fixture(scope="session")
def podman(tmp_path_factory: pytest.TempPathFactory) -> Podman:
    """Podman with a configuration of the session's own."""
    return Podman.configured(tmp_path_factory.mktemp("podman"))


@pytest.fixture(scope="session")
def third_party(podman: Podman, figures: dict[str, str]) -> Mapping[str, str]:
    """Stand-ins by name, made now if need be; empty where the real images can be had."""
    if stand_ins.registry_reachable():
        figures["third-party images"] = "from their registry"
        return {}
    made = stand_ins.make(podman)
    figures["third-party images"] = f"stand-ins from Debian {stand_ins.SUITE}: {', '.join(made)}"
    return made


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the product, where `make up` may write."""
    return product.copy(tmp_path_factory.mktemp("deploy") / "product")


@pytest.fixture(scope="session")
def image_sizes(
    podman: Podman, third_party: Mapping[str, str], checkout: Path, figures: dict[str, str]
) -> dict[str, int]:
    """Every image of the product, built; bytes by name."""
    arguments = {"BASE_IMAGE": third_party["python"]} if third_party else {}
    started = time.monotonic()
    sizes = product.build(podman, checkout, arguments)
    figures["building all images"] = f"{time.monotonic() - started:.0f} s"
    base = podman.inspect(arguments["BASE_IMAGE"])[0]["Size"] if arguments else 0
    for name, size in sizes.items():
        figures[f"image {name}"] = f"{size / 1e6:.0f} MB, {(size - base) / 1e6:.0f} MB of them above the base"
    return sizes


@pytest.fixture(scope="session")
def stack(
    podman: Podman,
    third_party: Mapping[str, str],
    checkout: Path,
    image_sizes: dict[str, int],
    figures: dict[str, str],
    request: pytest.FixtureRequest,
) -> Iterator[Stack]:
    """The compose file with OHIF, up and ready; all of it is gone afterwards, however the tests ended."""
    images = {f"{name.upper()}_IMAGE": image for name, image in third_party.items() if name != "python"}
    if third_party:
        images["BASE_IMAGE"] = third_party["python"]
    port, grafana_port, dimse_port, ohif_port = free_ports(4)
    name = f"dicom-test-{secrets.token_hex(3)}"
    made = Stack(podman, checkout, name, port, grafana_port, dimse_port, images)
    try:
        started = time.monotonic()
        made.up("--ohif", OHIF_PORT=str(ohif_port))
        figures["make up with images in the cache, to ready"] = f"{time.monotonic() - started:.0f} s"
        yield made
    finally:
        for name in made.ended_badly():
            print(f"---- {name}\n{podman.logs(name)}")
        made.remove()


@pytest.fixture
def system(stack: Stack) -> Behind:
    """What the end-to-end scenarios call the system."""
    return behind_gateway(stack)
