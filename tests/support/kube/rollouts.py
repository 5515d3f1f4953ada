"""deploy.sh with the real kubectl on a real API server, where nothing but its controllers and the kubelet is played."""

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from tests.support.kube.api_server import ApiError, KubeApiServer
from tests.support.kube.manifests import BIN

REPOSITORY = Path(__file__).resolve().parents[3]
IMAGE = "registry.example.org/team/pyth-keeper"
STUCK, BROKEN = "stuck", "broken"
"""Tags of images whose pods never become ready, and do not do their work."""
_LOOK_EVERY_S = 0.1
_KUBECTL = """#!{python}
import os, subprocess, sys
sys.path.insert(0, {repository!r})
real = [{kubectl!r}, "--kubeconfig", {kubeconfig!r}]
arguments = sys.argv[1:]
verb = arguments[2] if arguments[0] == "--namespace" else arguments[0]
if verb == "kustomize":
    import yaml
    from tests.support.kube.manifests import as_of_1_20
    said = subprocess.run([*real, *arguments], check=True, stdout=subprocess.PIPE).stdout
    print(yaml.safe_dump_all(as_of_1_20(list(yaml.safe_load_all(said)))))
elif verb == "exec":
    pod = subprocess.run([*real, *arguments[:2], "get", "pod", arguments[3], "-o", "yaml"], stdout=subprocess.PIPE)
    if b":{broken}" in pod.stdout:
        print("FAIL  network evm has failed to push")
        sys.exit(1)
    if b"deletionTimestamp" in pod.stdout or b"phase: Failed" in pod.stdout:
        print("error: there is no such container any more")
        sys.exit(1)
    print("ok    network evm leads, and has pushed BTC/USD, which is final")
elif verb != "logs":
    os.execv(real[0], [*real, *arguments])
"""


class Rollouts:
    """A copy of the project with an overlay of its own, `drill`: staging, without the Prometheus Operator."""

    def __init__(self, kube: KubeApiServer, home: Path, namespace: str) -> None:
        self.kube = kube
        self.namespace = namespace
        self.folder = home / "project"
        for part in ("deploy", "k8s"):
            shutil.copytree(REPOSITORY / part, self.folder / part)
        for name in ("deploy.sh", "pyproject.toml", ".gitignore"):
            shutil.copy(REPOSITORY / name, self.folder)
        self.overlay = self.folder / "k8s" / "overlays" / "drill"
        shutil.copytree(REPOSITORY / "k8s" / "overlays" / "staging", self.overlay)
        for file in self.overlay.iterdir():
            file.write_text(file.read_text().replace("pyth-keeper-staging", namespace))
        self.change("kustomization.yaml", components=None)
        self._program(self.folder / ".venv" / "bin" / "python", f'#!/bin/sh\nexec {sys.executable} "$@"\n')
        kubectl = _KUBECTL.format(
            python=sys.executable,
            repository=str(REPOSITORY),
            kubectl=str(BIN / "kubectl"),
            kubeconfig=str(kube.kubeconfig()),
            broken=BROKEN,
        )
        self._commit()
        self._bin = home / "bin"
        self._program(self._bin / "kubectl", kubectl)

    @staticmethod
    def _program(path: Path, text: str) -> None:
        path.parent.mkdir(parents=True)
        path.write_text(text)
        path.chmod(0o755)

    def change(self, name: str, **changes: object) -> None:
        """Set keys of a YAML file of the overlay; None takes one away."""
        file = self.overlay / name
        document = yaml.safe_load(file.read_text()) | changes
        file.write_text(yaml.safe_dump({key: value for key, value in document.items() if value is not None}))
        self._commit()

    def _commit(self) -> None:
        """A rollout takes what is in a commit."""
        git = ["git", "-C", str(self.folder), "-c", "user.name=drill", "-c", "user.email=drill@example.org"]
        for step in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "--message=one", "--allow-empty"]):
            subprocess.run([*git, *step], check=True)

    def prepare(self) -> None:
        """Namespace and Secret, as k8s/README.md tells to make them."""
        key = self.folder.parent / "private-key"
        key.write_text("1" * 64)
        secret = ("create", "secret", "generic", "pyth-keeper-secrets", "--namespace", self.namespace)
        self.kubectl("create", "namespace", self.namespace)
        self.kubectl(*secret, f"--from-file=private-key={key}", "--from-literal=rpc-url=https://rpc.example.org")

    def kubectl(self, *arguments: str) -> str:
        """As an operator uses it."""
        return subprocess.run([self._bin / "kubectl", *arguments], capture_output=True, text=True, check=True).stdout

    def deploy(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run deploy.sh."""
        path = f"{self._bin}{os.pathsep}{os.environ['PATH']}"
        return subprocess.run(
            [self.folder / "deploy.sh", *arguments],
            env={"PATH": path, "HOME": str(self.folder.parent)} | environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def record(self) -> dict[str, str]:
        """What the cluster was told of the last rollout."""
        found: dict[str, str] = json.loads(self.deployment()["metadata"]["annotations"]["pyth-keeper/rollout"])
        return found

    def deployment(self) -> dict[str, Any]:
        """As it is in the cluster."""
        found: dict[str, Any] = self.get("apis/apps/v1", "deployments/pyth-keeper")
        return found

    def image(self) -> str:
        """The keeper's, in the cluster."""
        (container,) = self.deployment()["spec"]["template"]["spec"]["containers"]
        image: str = container["image"]
        return image

    def set_image(self, tag: str) -> None:
        """As somebody does who does not know deploy.sh; returns once there are pods of it."""
        before = self._revision()
        self.kubectl(
            "--namespace", self.namespace, "set", "image", "deployment/pyth-keeper", f"pyth-keeper={IMAGE}:{tag}"
        )
        while self._revision() == before:
            time.sleep(_LOOK_EVERY_S)

    def _revision(self) -> str:
        revision: str = self.deployment()["metadata"]["annotations"]["deployment.kubernetes.io/revision"]
        return revision

    def state(self) -> Mapping[str, object]:
        """All that a rollout may change, as far as these drills change it."""
        volumes = self.deployment()["spec"]["template"]["spec"]["volumes"]
        (settings,) = (volume["configMap"]["name"] for volume in volumes if "configMap" in volume)
        scaler = self.get("apis/autoscaling/v2beta2", "horizontalpodautoscalers/pyth-keeper")
        policies = self.get("apis/networking.k8s.io/v1", "networkpolicies")["items"]
        return {
            "image": self.image(),
            "settings": self.get("api/v1", f"configmaps/{settings}")["data"],
            "most pods": scaler["spec"]["maxReplicas"],
            "policies": sorted(each["metadata"]["name"] for each in policies),
        }

    def get(self, api: str, what: str) -> Any:
        """Something of the namespace."""
        return self.kube.request("GET", f"/{api}/namespaces/{self.namespace}/{what}")

    @contextmanager
    def controllers(self) -> Iterator[None]:
        """What kube-controller-manager and kubelet would do, is done inside."""
        over = threading.Event()
        player = threading.Thread(target=self._play, args=(over,), name="controllers")
        player.start()
        try:
            yield
        finally:
            over.set()
            player.join()

    def _play(self, over: threading.Event) -> None:
        revision, template, sets = 0, None, list[Any]()
        while not over.wait(_LOOK_EVERY_S):
            for job in self.get("apis/batch/v1", "jobs")["items"]:
                self._patch("apis/batch/v1", f"jobs/{job['metadata']['name']}/status", {"status": {"succeeded": 1}})
            try:
                deployment = self.deployment()
            except ApiError:
                continue
            if deployment["spec"]["template"] != template:
                template, revision = deployment["spec"]["template"], revision + 1
                self._run_pods(template, revision)
                self._note_revision(deployment, revision, sets)
                told = {"metadata": {"annotations": {"deployment.kubernetes.io/revision": str(revision)}}}
                self._patch("apis/apps/v1", "deployments/pyth-keeper", told)
            wanted = deployment["spec"]["replicas"]
            ready = 0 if self.image().endswith(f":{STUCK}") else wanted
            status = {
                "observedGeneration": deployment["metadata"]["generation"],
                "replicas": wanted,
                "updatedReplicas": wanted,
                "readyReplicas": ready,
                "availableReplicas": ready,
            }
            self._patch("apis/apps/v1", "deployments/pyth-keeper/status", {"status": status})

    def _note_revision(self, deployment: Mapping[str, Any], revision: int, sets: list[Any]) -> None:
        """In a ReplicaSet, which `kubectl rollout undo` goes by; an earlier one of that template is used again."""
        template = deployment["spec"]["template"]
        note = {"annotations": {"deployment.kubernetes.io/revision": str(revision)}}
        if template in sets:
            self._patch("apis/apps/v1", f"replicasets/pyth-keeper-{sets.index(template)}", {"metadata": note})
            return
        labels = template["metadata"]["labels"] | {"pod-template-hash": str(len(sets))}
        owner = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "pyth-keeper", "controller": True}
        made = {
            "metadata": note
            | {"name": f"pyth-keeper-{len(sets)}", "labels": labels}
            | {"ownerReferences": [owner | {"uid": deployment["metadata"]["uid"]}]},
            "spec": {
                "replicas": 0,
                "selector": {"matchLabels": labels},
                "template": template | {"metadata": template["metadata"] | {"labels": labels}},
            },
        }
        self.kube.request("POST", f"/apis/apps/v1/namespaces/{self.namespace}/replicasets", made)
        sets.append(template)

    def _run_pods(self, template: Mapping[str, Any], revision: int) -> None:
        """One that runs and one that its node has evicted; those of the revision before are about to end."""
        pods = f"/api/v1/namespaces/{self.namespace}/pods"
        for pod in self.kube.request("GET", pods)["items"]:
            ends = "deletionTimestamp" in pod["metadata"] or pod["status"]["phase"] == "Failed"
            grace = "?gracePeriodSeconds=0" if ends else ""
            self.kube.request("DELETE", f"{pods}/{pod['metadata']['name']}{grace}")
        for name in (f"pyth-keeper-{revision}", f"pyth-keeper-{revision}-evicted"):
            metadata = {"name": name, "labels": template["metadata"]["labels"]}
            spec = {**template["spec"], "nodeName": "node"}
            self.kube.request("POST", pods, {"metadata": metadata, "spec": spec})
        self._patch("api/v1", f"pods/pyth-keeper-{revision}-evicted/status", {"status": {"phase": "Failed"}})

    def _patch(self, api: str, what: str, change: Mapping[str, Any]) -> None:
        try:
            self.kube.request("PATCH", f"/{api}/namespaces/{self.namespace}/{what}", change)
        except ApiError as exc:
            if exc.status != 404:  # a Job that was deleted meanwhile
                raise
