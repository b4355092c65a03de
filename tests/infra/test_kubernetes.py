"""What every pod of every overlay must be like, and what must fit together."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from libs.common.http.client import Hops, client_address, parse_networks
from tests.infra.kubernetes_manifests import (
    COMBINATIONS,
    K8S,
    SERVICES,
    Manifest,
    Manifests,
    matches,
    quantity,
    selected,
    template_of,
)

SECONDS_TO_SPARE = 20
"""For what comes after the drain: closing connections, ending decoders."""
SLOT_OVERHEAD_BYTES = 384 << 20
"""The processor's parent process, and what decoders share."""
ONE_SHOT = {"migrate", "backup", "restore", "operator"}
SCALED = {"processor", "ingest", "results"}


@pytest.fixture(params=COMBINATIONS)
def manifests(rendered: dict[str, Manifests], request: pytest.FixtureRequest) -> Manifests:
    """Each combination in turn."""
    return rendered[request.param]


def containers(manifests: Manifests) -> Iterator[tuple[str, Manifest]]:
    """Every container of ours, with its workload's name."""
    for name, pod in manifests.pods.items():
        for container in [*pod.get("initContainers", ()), *pod["containers"]]:
            yield name, container


def test_every_component_is_in_some_combination(rendered: dict[str, Manifests]) -> None:
    prod = (K8S / "overlays/prod/kustomization.yaml").read_text()
    used = {name for _, names in COMBINATIONS.values() for name in names}
    used |= set(re.findall(r"components/([a-z-]+)", prod))
    assert used == {folder.name for folder in (K8S / "components").iterdir()}


def test_the_namespace_enforces_the_restricted_standard(manifests: Manifests) -> None:
    labels = manifests.get("Namespace", "dicom")["metadata"]["labels"]
    for mode in ("enforce", "audit", "warn"):
        assert labels[f"pod-security.kubernetes.io/{mode}"] == "restricted"


def test_everything_is_in_the_namespace(manifests: Manifests) -> None:
    for manifest in manifests.all:
        if manifest["kind"] not in ("Namespace", "PriorityClass"):
            assert manifest["metadata"]["namespace"] == "dicom", manifest["metadata"]["name"]


def test_pods_are_nobody_in_particular(manifests: Manifests) -> None:
    for name, pod in manifests.pods.items():
        context = pod["securityContext"]
        assert context["runAsNonRoot"] is True, name
        assert context["runAsUser"] > 0, name
        assert context["runAsGroup"] > 0, name
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}, name
        if name in {*SERVICES, *ONE_SHOT}:
            assert {context[key] for key in ("runAsUser", "runAsGroup", "fsGroup")} == {10001}, name
        for key in ("hostNetwork", "hostPID", "hostIPC"):
            assert not pod.get(key), name
        for volume in pod["volumes"]:
            assert set(volume) - {"name"} <= {"configMap", "secret", "emptyDir", "persistentVolumeClaim"}


def test_containers_can_do_nothing_in_particular(manifests: Manifests) -> None:
    for name, container in containers(manifests):
        context = container["securityContext"]
        assert context["allowPrivilegeEscalation"] is False, name
        assert context["readOnlyRootFilesystem"] is True, name
        assert context["capabilities"] == {"drop": ["ALL"]}, name
        assert not context.get("privileged"), name


def test_the_brokers_containers_write_nowhere_but_where_they_must(rendered: dict[str, Manifests]) -> None:
    """They are the operator's, and what it lets be overridden is."""
    (cluster,) = rendered["prod"].kind("RabbitmqCluster")
    pod = cluster["spec"]["override"]["statefulSet"]["spec"]["template"]["spec"]
    for container in (*pod["initContainers"], *pod["containers"]):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
    written = {
        mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"] if not mount.get("readOnly")
    }
    assert written == {"/tmp", "/var/log/rabbitmq"}


def test_no_pod_holds_a_token_of_the_cluster(manifests: Manifests) -> None:
    for name, pod in manifests.pods.items():
        assert pod["automountServiceAccountToken"] is False, name
        # What a pod may reach and who it is go by the same name.
        account = manifests.workloads[name]["metadata"]["labels"]["app.kubernetes.io/name"]
        assert pod["serviceAccountName"] == account
        assert manifests.get("ServiceAccount", account)["automountServiceAccountToken"] is False


def test_memory_and_disk_are_limited_and_cpu_is_requested(manifests: Manifests) -> None:
    for name, container in containers(manifests):
        resources = container["resources"]
        assert set(resources["requests"]) == {"cpu", "memory", "ephemeral-storage"}, name
        # A CPU limit throttles even where the node is idle.
        assert set(resources["limits"]) == {"memory", "ephemeral-storage"}, name
        for resource, limit in resources["limits"].items():
            assert quantity(resources["requests"][resource]) <= quantity(limit), name


def test_empty_folders_are_bounded_within_the_limits(manifests: Manifests) -> None:
    for name, pod in manifests.pods.items():
        limits = pod["containers"][0]["resources"]["limits"]
        folders = [volume["emptyDir"] for volume in pod["volumes"] if "emptyDir" in volume]
        assert folders, f"{name} has no /tmp"
        disk = [quantity(f["sizeLimit"]) for f in folders if f.get("medium") != "Memory"]
        assert sum(disk) <= quantity(limits["ephemeral-storage"]), name


def test_images_have_a_version(manifests: Manifests) -> None:
    images = {container["image"] for _, container in containers(manifests)}
    images |= {cluster["spec"]["imageName"] for cluster in manifests.kind("Cluster")}
    images |= {cluster["spec"]["image"] for cluster in manifests.kind("RabbitmqCluster")}
    for image in images:
        assert re.fullmatch(r"[a-z0-9./-]+:[0-9][A-Za-z0-9._-]*", image), image


def test_liveness_asks_no_dependency(manifests: Manifests) -> None:
    for name, container in containers(manifests):
        if name in ONE_SHOT:
            continue
        liveness, readiness = container["livenessProbe"], container["readinessProbe"]
        assert "startupProbe" in container, name
        assert liveness.get("httpGet", {}).get("path", "/livez") == "/livez", name
        assert "exec" not in liveness, f"{name}: a program would be started over and over"
        # What takes no requests is not restarted at once.
        assert liveness["failureThreshold"] > readiness.get("failureThreshold", 3), name
        if name in SERVICES:
            assert readiness["httpGet"]["path"] == "/readyz", name
            assert readiness["timeoutSeconds"] > 5, "/readyz itself waits for 5 s"
            for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
                assert container[probe]["httpGet"]["scheme"] == "HTTPS", name


def test_the_gateways_pods_are_believed_who_the_client_is(manifests: Manifests) -> None:
    for name in SERVICES:
        trusted = parse_networks(manifests.environment(name)["TRUSTED_PROXIES"])
        assert client_address(Hops("10.244.3.9", "https", ["203.0.113.7"]), trusted) == "203.0.113.7", name
        stranger = Hops("203.0.113.7", "https", ["198.51.100.1"])
        assert client_address(stranger, trusted) == "203.0.113.7", name


def test_shutdown_fits_into_the_grace_period(manifests: Manifests) -> None:
    for name in SERVICES:
        pod = manifests.pods[name]
        environment = manifests.environment(name)
        shutdown = float(environment["SHUTDOWN_TIMEOUT"])
        pause = (
            pod["containers"][0].get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        )
        assert pod["terminationGracePeriodSeconds"] >= pause + shutdown + SECONDS_TO_SPARE, name
        # What a gateway routes to learns late that it goes.
        assert (pause > 0) == (name != "processor"), name
    processor = manifests.environment("processor")
    assert float(processor["SHUTDOWN_TIMEOUT"]) > float(processor["DECODE_WALL_TIMEOUT"])


def test_decoders_fit_into_the_processor(manifests: Manifests) -> None:
    resources = manifests.pods["processor"]["containers"][0]["resources"]
    environment = manifests.environment("processor")
    slots = int(environment["WORKER_SLOTS"])
    needed = slots * int(environment["DECODE_MEMORY_BYTES"]) + SLOT_OVERHEAD_BYTES
    assert quantity(resources["limits"]["memory"]) >= needed


def test_roll_outs_take_nothing_away_first(manifests: Manifests) -> None:
    for name in SERVICES:
        strategy = manifests.get("Deployment", name)["spec"]["strategy"]
        assert strategy["rollingUpdate"]["maxUnavailable"] == 0, name


def test_every_service_is_spread_and_may_be_disturbed_one_at_a_time(manifests: Manifests) -> None:
    budgets = {}
    for budget in manifests.kind("PodDisruptionBudget"):
        (name,) = selected(manifests, budget["spec"]["selector"])
        budgets[name] = budget["spec"]
    assert set(SERVICES) <= set(budgets)
    for spec in budgets.values():
        assert spec["maxUnavailable"] == 1
        assert spec["unhealthyPodEvictionPolicy"] == "AlwaysAllow"
    for name in SERVICES:
        keys = {rule["topologyKey"] for rule in manifests.pods[name]["topologySpreadConstraints"]}
        assert keys == {"topology.kubernetes.io/zone", "kubernetes.io/hostname"}


def test_processors_wait_where_others_must_not(manifests: Manifests) -> None:
    value = {one["metadata"]["name"]: one["value"] for one in manifests.kind("PriorityClass")}
    used = {name: value[pod["priorityClassName"]] for name, pod in manifests.pods.items()}
    assert used["processor"] < min(used[name] for name in SERVICES if name != "processor")
    for cluster in manifests.kind("Cluster"):
        assert value[cluster["spec"]["priorityClassName"]] > used["ingest"]


def test_selectors_match_their_own_pods_only(manifests: Manifests) -> None:
    for workload in manifests.kind("Deployment", "StatefulSet"):
        name, selector = workload["metadata"]["name"], workload["spec"]["selector"]
        assert matches(selector, template_of(workload)["metadata"]["labels"])
        assert selected(manifests, selector) == [name]
    for service in manifests.kind("Service"):
        name, spec = service["metadata"]["name"], service["spec"]
        assert selected(manifests, {"matchLabels": spec["selector"]}) == [name]
        ports = {port["name"] for port in manifests.pods[name]["containers"][0]["ports"]}
        assert {port["targetPort"] for port in spec["ports"]} <= ports
    for monitor in manifests.kind("ServiceMonitor"):
        labels = manifests.get("Service", monitor["metadata"]["name"])["metadata"]["labels"]
        assert matches(monitor["spec"]["selector"], labels)


def test_autoscalers_scale_what_exists_and_alone(manifests: Manifests) -> None:
    targets = [scaler["spec"]["scaleTargetRef"]["name"] for scaler in scalers(manifests)]
    assert len(targets) == len(set(targets))
    assert set(targets) in (set(), SCALED)
    for name in SERVICES:
        spec = manifests.get("Deployment", name)["spec"]
        assert ("replicas" in spec) == (name not in targets), f"{name}: who says how many?"


def test_scaled_objects_keep_their_promises(manifests: Manifests) -> None:
    for scaler in manifests.kind("ScaledObject"):
        name, spec = scaler["metadata"]["name"], scaler["spec"]
        kinds = [trigger["type"] for trigger in spec["triggers"]]
        assert spec["fallback"]["behavior"] == "currentReplicasIfHigher", name
        down = spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]["scaleDown"]
        assert down["stabilizationWindowSeconds"] > 0, name
        if spec["minReplicaCount"] == 0:
            assert set(kinds) - {"cpu", "memory"}, "CPU alone never leaves zero"
        for trigger in spec["triggers"]:
            if trigger["type"] == "rabbitmq":
                assert trigger["metadata"]["excludeUnacknowledged"] == "false"
                authentication = trigger["authenticationRef"]["name"]
                assert manifests.get("TriggerAuthentication", authentication)
            if trigger["type"] == "cpu":
                container = manifests.pods[name]["containers"][0]
                assert trigger["metadata"]["containerName"] == container["name"]
    if any(manifests.kind("ScaledObject")):
        spec = manifests.get("ScaledObject", "processor")["spec"]
        assert spec["minReplicaCount"] == 0
        assert {trigger["type"] for trigger in spec["triggers"]} == {"rabbitmq", "prometheus", "cpu"}


def scalers(manifests: Manifests) -> Iterator[Manifest]:
    """Every autoscaler."""
    return manifests.kind("ScaledObject", "HorizontalPodAutoscaler")
