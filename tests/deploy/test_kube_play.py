"""The dev overlay for real, as far as `podman kube play` goes (tests/deploy/kube.py says how far)."""

from __future__ import annotations

import json
import secrets
import ssl
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.deploy import product
from tests.deploy.kube import Node, rendered
from tests.deploy.podman import Podman, PodmanError
from tests.e2e import test_way_of_a_file as way
from tests.e2e.conftest import System
from tests.e2e.processes import PASSWORD
from tests.fixtures_postgres import run_apart
from tests.ports import free_port
from tests.waiting import eventually

pytestmark = [pytest.mark.deploy, pytest.mark.timeout(1800)]

STORES = ("postgres", "rabbitmq")
SERVICES = ("auth", "ingest", "dimse", "processor", "results", "portal")

# The same scenario as everywhere; here, `system` is what podman plays.
test_upload_becomes_result = way.test_upload_becomes_result


@dataclass(frozen=True)
class Played(System):
    """The system in Pods, behind the overlay's gateway."""

    node: Node | None = None

    def create_user(self, name: str, *, staff: bool = False, more: Sequence[str] = ()) -> None:
        """Make an account the way an operator of a cluster does: kubectl exec."""
        assert self.node is not None
        options = [*(["--staff", "--permission", "view_all_dicomresult"] if staff else []), *more]
        self.node.podman(
            *("exec", "--interactive", self.node.container("auth")),
            *("python", "-m", "services.auth", "create-user", name, *options),
            input=f"{PASSWORD}\n".encode(),
        )


@pytest.fixture(scope="module")
def node(
    podman: Podman,
    third_party: Mapping[str, str],
    image_sizes: dict[str, int],
    checkout: Path,
    figures: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Node]:
    """The overlay's Pods, ready; gone afterwards, however the tests ended."""
    made = podman.command([sys.executable, "-m", "infra.k8s.dev_secrets"], timeout=60, folder=checkout)
    documents = [*rendered(checkout / "infra" / "k8s" / "overlays" / "dev"), *yaml.safe_load_all(made)]

    def image(named: str) -> str:
        path, _, _ = named.partition(":")
        short = path.rpartition("/")[2]
        return product.reference(short) if short in image_sizes else third_party.get(short, named)

    node = Node(
        podman,
        tmp_path_factory.mktemp("kube"),
        f"dicom-test-{secrets.token_hex(3)}",
        documents,
        image,
        {"gateway": free_port()},
    )
    node.start()
    try:
        started = time.monotonic()
        run_apart(bring_up(node))
        figures["kube play, from nothing to ready"] = f"{time.monotonic() - started:.0f} s"
        figures["kube play, done in podman's place"] = "; ".join(node.adapted)
        yield node
    finally:
        for name in node.failed():
            print(f"---- {name}\n{podman.logs(name)}")
        node.remove()


async def bring_up(node: Node) -> None:
    """In the order of infra/k8s/deploy.sh: what services lean on, the migration, the services."""
    for name in STORES:
        node.play(name)
    for name in STORES:
        await eventually(lambda name=name: node.ready(name), 120)  # type: ignore[misc]
    node.play("migrate")
    await eventually(lambda: node.ended("migrate"), 120)
    for name in (*SERVICES, "gateway"):
        node.play(name)
    for name in (*SERVICES, "gateway"):
        await eventually(lambda name=name: node.ready(name), 120)  # type: ignore[misc]


@pytest.fixture
def system(node: Node, checkout: Path) -> Played:
    """What the end-to-end scenarios call the system."""

    def database_url(role: str) -> str:
        raise PodmanError(f"the database of {role} is not reachable from outside")

    return Played(
        urls=dict.fromkeys(
            ("auth", "ingest", "results", "portal"), f"https://localhost:{node.published['gateway']}"
        ),
        processes={},
        data_dir=Path(),
        database_url=database_url,
        tls=ssl.create_default_context(cafile=checkout / "var" / "deploy" / "certs" / "ca" / "ca.crt"),
        node=node,
    )


def test_pods_run_as_the_manifests_say(node: Node) -> None:
    for name in (*SERVICES, *STORES, "gateway"):
        known = node.podman.inspect(node.container(name))[0]
        wanted = node.workload(name)["spec"]["template"]["spec"]
        assert known["HostConfig"]["ReadonlyRootfs"], name
        assert "no-new-privileges" in json.dumps(known["HostConfig"]["SecurityOpt"]), name
        assert not known["EffectiveCaps"], name
        assert known["HostConfig"]["Memory"] > 0, name
        user = node.podman("exec", node.container(name), "id", "-u").strip()
        assert user == str(wanted["securityContext"]["runAsUser"]), name


def test_nothing_but_the_gateway_is_published(node: Node) -> None:
    listed = node.podman.containers(f"name=^{node.prefix}-")
    assert {str(one["Names"][0]) for one in listed if one["Ports"]} == {node.container("gateway")}
