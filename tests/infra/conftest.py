"""What the tests of infra/k8s share: every overlay and component, rendered once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.infra.kubernetes_manifests import COMBINATIONS, KUBECTL, Manifests


@pytest.fixture(scope="session")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Manifests]:
    """The manifests of each combination, by its name."""
    assert KUBECTL.exists(), "kubectl is missing: run infra/machine/kubectl.sh"

    folders = [tmp_path_factory.mktemp("overlay") for _ in COMBINATIONS]
    overlays, components = zip(*COMBINATIONS.values(), strict=True)
    with ThreadPoolExecutor() as threads:
        made = threads.map(Manifests.render, folders, overlays, components)
        return dict(zip(COMBINATIONS, made, strict=True))
