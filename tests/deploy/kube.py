"""The dev overlay for `podman kube play`: what podman 4.3 cannot do is done here instead, and told.

Podman plays Pods, Deployments, ConfigMaps (as environment) and PersistentVolumeClaims. This module is the
rest of a cluster: it makes StatefulSets and Jobs into Pods, lays out the files of Secrets and ConfigMaps with
a kubelet's owners and modes, asks the probes, and gives each Pod its Service's name in one network.
"""

from __future__ import annotations

import asyncio
import base64
import os
import ssl
import subprocess
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from tests.deploy.podman import Podman, PodmanError
from tests.deploy.product import ROOT

Manifest = dict[str, Any]
WORKLOADS = ("Deployment", "StatefulSet", "Job")
_DEFAULT_NETWORK = "podman-default-kube-network"
PODMAN_PLAYS = (*WORKLOADS, "ConfigMap", "PersistentVolumeClaim")


def rendered(overlay: Path) -> list[Manifest]:
    """What `kubectl kustomize` makes of an overlay."""
    subprocess.run([ROOT / "infra" / "machine" / "kubectl.sh"], check=True, capture_output=True, timeout=300)
    kubectl = ROOT / ".tools" / "kubectl-1.33" / "kubectl"
    done = subprocess.run(
        [kubectl, "kustomize", overlay], check=True, capture_output=True, timeout=60, stdin=subprocess.DEVNULL
    )
    return [document for document in yaml.safe_load_all(done.stdout) if document]


@dataclass
class Node:
    """One machine of a cluster, played by podman."""

    podman: Podman
    folder: Path
    prefix: str
    documents: list[Manifest]
    images: Callable[[str], str]
    """The image to use for the one that a manifest names."""
    published: Mapping[str, int]
    """Port of this machine by workload; nothing else is reachable from outside."""
    adapted: list[str] = field(default_factory=list)
    networks: set[str] = field(default_factory=set)
    """Those that were there before."""

    def note(self, what: str) -> None:
        """Remember once what had to be done in podman's place."""
        if what not in self.adapted:
            self.adapted.append(what)

    def find(self, kind: str, name: str) -> Manifest:
        """A document. Raises StopIteration when there is none."""
        return next(d for d in self.documents if d["kind"] == kind and d["metadata"]["name"] == name)

    def workload(self, name: str) -> Manifest:
        """The Deployment, StatefulSet or Job of this name."""
        return next(d for d in self.documents if d["kind"] in WORKLOADS and d["metadata"]["name"] == name)

    def pod(self, name: str) -> str:
        """Podman's name for the Pod of a workload."""
        return f"{self.prefix}-{name}"

    def container(self, name: str) -> str:
        """Podman's name for the first container of a workload."""
        return f"{self.pod(name)}-{self.workload(name)['spec']['template']['spec']['containers'][0]['name']}"

    def start(self) -> None:
        """Make the network."""
        self.networks = self._networks()
        self.podman("network", "create", self.prefix)
        unplayed = {d["kind"] for d in self.documents} - set(PODMAN_PLAYS)
        self.note(f"no counterpart in podman, left out: {', '.join(sorted(unplayed))}")

    def play(self, name: str) -> None:
        """Start the Pod of a workload, with what it refers to."""
        pod = self._pod(self.workload(name))
        referred = [d for d in self.documents if d["kind"] in ("ConfigMap", "PersistentVolumeClaim")]
        claims = {
            v["persistentVolumeClaim"]["claimName"]
            for v in pod["spec"]["volumes"]
            if "persistentVolumeClaim" in v
        }
        existing = set(self.podman("volume", "ls", "--quiet").split())
        played = [d for d in referred if d["kind"] == "ConfigMap"]
        played += [self._claim(claim) for claim in sorted(claims - existing)]
        file = self.folder / f"{name}.yaml"
        file.write_text(yaml.safe_dump_all([*played, pod]))
        self.podman("kube", "play", f"--network={self.prefix}:alias={name}", str(file), timeout=120)

    def ended(self, name: str) -> bool:
        """Whether a Job's Pod is done; AssertionError when it failed."""
        state = self.podman.inspect(self.container(name))[0]["State"]
        if state["Running"]:
            return False
        assert state["ExitCode"] == 0, self.podman.logs(self.container(name))
        return True

    async def ready(self, name: str) -> bool:
        """Ask the readiness probe as a kubelet does."""
        container = self.workload(name)["spec"]["template"]["spec"]["containers"][0]
        probe = container["readinessProbe"]
        known = self.podman.inspect(self.container(name))[0]
        assert known["State"]["Running"], self.podman.logs(self.container(name))
        if "exec" in probe:
            try:
                await asyncio.to_thread(self.podman, "exec", self.container(name), *probe["exec"]["command"])
            except PodmanError:
                return False
            return True
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        asked = probe.get("httpGet") or probe["tcpSocket"]
        port = ports.get(asked["port"], asked["port"])
        address = self.address(name)
        try:
            if "tcpSocket" in probe:
                _, writer = await asyncio.open_connection(address, port)
                writer.close()
                return True
            assert asked["scheme"] == "HTTPS", asked
            # A kubelet verifies no certificate.
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            async with (
                aiohttp.ClientSession() as session,
                session.get(f"https://{address}:{port}{asked['path']}", ssl=context) as answer,
            ):
                return 200 <= answer.status < 400
        except (OSError, aiohttp.ClientError):
            return False

    def address(self, name: str) -> str:
        """The IP address of a workload's Pod."""
        infra = self.podman.inspect(
            self.podman("pod", "inspect", "--format={{.InfraContainerID}}", self.pod(name)).strip()
        )
        return str(infra[0]["NetworkSettings"]["Networks"][self.prefix]["IPAddress"])

    def remove(self) -> None:
        """End and remove everything, whatever state it is in."""
        pods = self.podman("pod", "ps", "--quiet", "--filter", f"name=^{self.prefix}-").split()
        if pods:
            self.podman("pod", "rm", "--force", "--time=10", *pods, timeout=180)
        volumes = [
            v for v in self.podman("volume", "ls", "--quiet").split() if v.startswith(f"{self.prefix}-")
        ]
        if volumes:
            self.podman("volume", "rm", "--force", *volumes)
        self.podman("network", "rm", "--force", self.prefix)
        # `kube play` makes one more that nobody asked for.
        if _DEFAULT_NETWORK in self._networks() - self.networks:
            self.podman("network", "rm", _DEFAULT_NETWORK)

    def failed(self) -> Iterable[str]:
        """Containers that are not running and did not end well."""
        for one in self.podman.containers(f"name=^{self.prefix}-"):
            name = str(one["Names"][0])
            for known in self.podman.inspect(name):
                if not known["State"]["Running"] and known["State"]["ExitCode"]:
                    yield name

    def _networks(self) -> set[str]:
        return set(self.podman("network", "ls", "--format={{.Name}}").split())

    def _claim(self, name: str) -> Manifest:
        return {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": name},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
        }

    def _pod(self, workload: Manifest) -> Manifest:
        """The Pod that podman can play."""
        name, kind = workload["metadata"]["name"], workload["kind"]
        template = workload["spec"]["template"]
        spec = dict(template["spec"])
        if kind != "Deployment":
            self.note(f"{kind}: played as a Pod")
        if kind == "Job":
            spec["restartPolicy"] = "Never"
        claims = {claim["metadata"]["name"] for claim in workload["spec"].get("volumeClaimTemplates", ())}
        volumes = [
            {"name": claim, "persistentVolumeClaim": {"claimName": f"{name}-{claim}"}} for claim in claims
        ]
        laid_out: dict[str, Path] = {}
        played = []
        for volume in [*spec.get("volumes", ()), *volumes]:
            made = self._volume(name, volume, spec["securityContext"]["fsGroup"])
            if "hostPath" in made:
                laid_out[volume["name"]] = Path(made["hostPath"]["path"])
            played.append(made)
        spec["containers"] = [self._container(name, one, played, laid_out) for one in spec["containers"]]
        spec["volumes"] = played
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": self.pod(name), "labels": template["metadata"]["labels"]},
            "spec": spec,
        }

    def _container(
        self, workload: str, given: Manifest, volumes: list[Manifest], laid_out: Mapping[str, Path]
    ) -> Manifest:
        container = dict(given)
        container["image"] = self.images(given["image"])
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            if container.pop(probe, None):
                self.note("probes: asked by the test (podman would call curl inside the container)")
        container["ports"] = []
        if workload in self.published:
            container["ports"] = [
                {
                    "containerPort": port["containerPort"],
                    "hostIP": "127.0.0.1",
                    "hostPort": self.published[workload],
                }
                for port in given["ports"]
            ]
        elif given.get("ports"):
            self.note("ports: not published (podman would open every containerPort on the machine)")
        mounts = []
        for mount in given.get("volumeMounts", ()):
            name = f"{self.prefix}-{workload}-{mount['name']}"
            if "subPath" in mount:
                self.note("subPath: a volume for the one file")
                name = f"{name}-{mount['subPath'].replace('.', '-').replace('_', '-')}"
                path = laid_out[mount["name"]] / mount["subPath"]
                volumes.append({"name": name, "hostPath": {"path": str(path), "type": "File"}})
            plain = {key: value for key, value in mount.items() if key != "subPath"}
            mounts.append({**plain, "name": name})
        container["volumeMounts"] = mounts
        return container

    def _volume(self, workload: str, volume: Manifest, group: int) -> Manifest:
        name = f"{self.prefix}-{workload}-{volume['name']}"
        folder = self.folder / name
        if "emptyDir" in volume:
            # Podman would share those of one name among all Pods, owned as the image has the folder.
            self.note("emptyDir: made by the test, without a size limit, never in memory")
            folder.mkdir()
            os.chown(folder, 0, group)
            folder.chmod(0o2777)
            return {"name": name, "hostPath": {"path": str(folder), "type": "Directory"}}
        if "persistentVolumeClaim" in volume:
            return {
                "name": name,
                "persistentVolumeClaim": {
                    "claimName": f"{self.prefix}-{volume['persistentVolumeClaim']['claimName']}"
                },
            }
        self.note("Secrets and ConfigMaps as files: laid out by the test (podman decodes none, sets no mode)")
        folder.mkdir(mode=0o755)
        source = volume.get("secret") or volume["configMap"]
        for path, content in self._files(volume):
            file = folder / path
            file.write_bytes(content)
            os.chown(file, 0, group)
            file.chmod(source.get("defaultMode", 0o644))
        return {"name": name, "hostPath": {"path": str(folder), "type": "Directory"}}

    def _files(self, volume: Manifest) -> Iterable[tuple[str, bytes]]:
        if "secret" in volume:
            source = volume["secret"]
            data = {
                key: base64.b64decode(value)
                for key, value in self.find("Secret", source["secretName"])["data"].items()
            }
        else:
            source = volume["configMap"]
            found = self.find("ConfigMap", source["name"])
            data = {key: value.encode() for key, value in found.get("data", {}).items()}
        for item in source.get("items") or [{"key": key, "path": key} for key in data]:
            yield item["path"], data[item["key"]]
