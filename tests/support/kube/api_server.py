"""A real kube-apiserver with its etcd, on loopback, with RBAC in force."""

import csv
import json
import os
import secrets
import shutil
import signal
import ssl
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from keeper.lab.downloads import cache_folder
from tests.support.ports import free_port

HOW_TO_BUILD = "there is no kube-apiserver here; enable with: make apiserver"
LEASE_RULE = {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["list", "create", "update"]}
"""What the manifests grant the keeper; a test holds them against this."""

_BUILT = cache_folder() / "kubernetes-bookworm"
_AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [{"level": "Metadata", "userGroups": ["system:serviceaccounts"]}],
}
_START_S = 60.0
_REQUEST_S = 30.0
_ADMIN_GROUP = "system:masters"

Manifest = Mapping[str, Any]


class ApiError(Exception):
    """The API server refused something; `status` is of HTTP."""

    def __init__(self, status: int, said: str) -> None:
        super().__init__(f"{status}: {said}")
        self.status = status


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """One that may do what its Role allows, and where a pod of its would look for its token."""

    url: str
    namespace: str
    name: str
    token: str
    folder: Path
    """Holds `token`, `ca.crt` and `namespace`."""

    @property
    def ca_file(self) -> Path:
        """The only root to trust."""
        return self.folder / "ca.crt"


class KubeApiServer:
    """Both processes, inside a `with`. What is stored outlives `stop` and `start`; address and certificate stay."""

    def __init__(self) -> None:
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._admin_token = secrets.token_hex(16)
        self.port = 0

    def __enter__(self) -> Self:
        self._folder = Path(tempfile.mkdtemp(prefix="keeper-kube-"))
        self.port, self._etcd_port, self._peer_port = (free_port() for _ in range(3))
        (self._folder / "audit.yaml").write_text(json.dumps(_AUDIT_POLICY))
        with (self._folder / "tokens.csv").open("w") as tokens:
            csv.writer(tokens).writerow([self._admin_token, "admin", "1", _ADMIN_GROUP])
        try:
            self._start_etcd()
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for name in tuple(self._processes):
            self._end(name, signal.SIGKILL)
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    @property
    def ca_file(self) -> Path:
        """The server's certificate with the root that signed it."""
        return self._folder / "certificates" / "apiserver.crt"

    def start(self) -> None:
        """Start the API server, and wait until it is ready."""
        folder = self._folder
        key = folder / "certificates" / "apiserver.key"  # it makes that itself, at its first start
        self._launch(
            "kube-apiserver",
            "TEST_ASSET_KUBE_APISERVER",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            f"--secure-port={self.port}",
            "--insecure-port=0",
            f"--cert-dir={folder / 'certificates'}",
            f"--etcd-servers=http://127.0.0.1:{self._etcd_port}",
            f"--service-account-key-file={key}",
            f"--service-account-signing-key-file={key}",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--token-auth-file={folder / 'tokens.csv'}",
            "--authorization-mode=RBAC",
            f"--audit-policy-file={folder / 'audit.yaml'}",
            f"--audit-log-path={folder / 'audit.log'}",
            "--service-cluster-ip-range=10.96.0.0/24",
            "--disable-admission-plugins=ServiceAccount",  # nobody makes the account `default` of a namespace
        )
        deadline = time.monotonic() + _START_S
        while not self._is_ready():
            if time.monotonic() > deadline or self._processes["kube-apiserver"].poll() is not None:
                raise RuntimeError(f"kube-apiserver does not start: {self._log('kube-apiserver')[-4000:]}")
            time.sleep(0.05)

    def stop(self, how: signal.Signals = signal.SIGKILL) -> None:
        """Stop the API server; etcd goes on."""
        self._end("kube-apiserver", how)

    def suspend(self, *, suspended: bool) -> None:
        """Make the API server stand still, its connections open, or go on."""
        self._processes["kube-apiserver"].send_signal(signal.SIGSTOP if suspended else signal.SIGCONT)

    def service_account(
        self, namespace: str, name: str = "pyth-keeper", *, rules: Sequence[Manifest] = (LEASE_RULE,)
    ) -> ServiceAccount:
        """A service account with a Role of these rules, and a token that the API server itself has issued."""
        account = {"kind": "ServiceAccount", "name": name, "namespace": namespace}
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
        rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}"
        here = f"/api/v1/namespaces/{namespace}"
        self.ensure("/api/v1/namespaces", {"metadata": {"name": namespace}})
        self.ensure(f"{here}/serviceaccounts", {"metadata": {"name": name}})
        self.ensure(f"{rbac}/roles", {"metadata": {"name": name}, "rules": list(rules)})
        self.ensure(f"{rbac}/rolebindings", {"metadata": {"name": name}, "roleRef": role, "subjects": [account]})
        return self.pretend_pod(namespace, name)

    def pretend_pod(self, namespace: str, name: str = "pyth-keeper") -> ServiceAccount:
        """What a pod of a service account that is there already is given."""
        issued = self.request(
            "POST",
            f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token",
            {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"audiences": []}},
        )
        token: str = issued["status"]["token"]
        folder = Path(tempfile.mkdtemp(prefix=f"{namespace}-", dir=self._folder))
        (folder / "token").write_text(token)
        (folder / "namespace").write_text(namespace)
        shutil.copy(self.ca_file, folder / "ca.crt")
        return ServiceAccount(self.url, namespace, name, token, folder)

    def asked_by(self, account: ServiceAccount) -> set[tuple[str, str]]:
        """Verb and resource, `leases.coordination.k8s.io` for one, of all that it ever asked for."""
        user = f"system:serviceaccount:{account.namespace}:{account.name}"
        entries = map(json.loads, (self._folder / "audit.log").read_text().splitlines())
        asked = [(entry["verb"], entry["objectRef"]) for entry in entries if entry["user"]["username"] == user]
        return {(verb, f"{of['resource']}.{of['apiGroup']}") for verb, of in asked}

    def ensure(self, path: str, manifest: Manifest) -> None:
        """Create an object of this collection, unless it is there."""
        try:
            self.request("POST", path, manifest)
        except ApiError as exc:
            if exc.status != 409:
                raise

    def request(self, method: str, path: str, body: Manifest | None = None, *, token: str = "") -> Any:
        """One request, as the administrator unless a token is given; returns the decoded answer, raises ApiError."""
        asked = urllib.request.Request(  # noqa: S310  always https
            self.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {token or self._admin_token}", "Content-Type": _content_type(method)},
        )
        trusted = ssl.create_default_context(cafile=self.ca_file)
        try:
            with urllib.request.urlopen(asked, timeout=_REQUEST_S, context=trusted) as answer:  # noqa: S310
                text = answer.read().decode()
        except urllib.error.HTTPError as exc:
            with exc:
                raise ApiError(exc.code, exc.read().decode()) from None
        return json.loads(text) if text.startswith("{") else text

    def kubeconfig(self) -> Path:
        """A file that makes kubectl the administrator."""
        path = self._folder / "kubeconfig"
        cluster = {"server": self.url, "certificate-authority": str(self.ca_file)}
        path.write_text(
            json.dumps(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "current-context": "test",
                    "clusters": [{"name": "test", "cluster": cluster}],
                    "users": [{"name": "admin", "user": {"token": self._admin_token}}],
                    "contexts": [{"name": "test", "context": {"cluster": "test", "user": "admin"}}],
                }
            )
        )
        return path

    def _start_etcd(self) -> None:
        own, peer = (f"http://127.0.0.1:{port}" for port in (self._etcd_port, self._peer_port))
        self._launch(
            "etcd",
            "TEST_ASSET_ETCD",
            f"--data-dir={self._folder / 'etcd'}",
            f"--listen-client-urls={own}",
            f"--advertise-client-urls={own}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
        )

    def _launch(self, name: str, variable: str, *options: str) -> None:
        program = find(name, variable)
        if program is None:
            raise RuntimeError(HOW_TO_BUILD)
        with (self._folder / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen([program, *options], cwd=self._folder, stdout=log, stderr=log)

    def _end(self, name: str, how: signal.Signals) -> None:
        process = self._processes.pop(name)
        process.send_signal(how)
        process.send_signal(signal.SIGCONT)
        try:
            process.wait(timeout=_START_S)
        finally:
            process.kill()  # of no effect on one that has ended

    def _is_ready(self) -> bool:
        try:
            return self.ca_file.exists() and self.request("GET", "/readyz") == "ok"
        except (OSError, ApiError):
            return False

    def _log(self, name: str) -> str:
        return (self._folder / f"{name}.log").read_text()


def find(name: str, variable: str) -> Path | None:
    """One of the two programs: what the variable names, else what `make apiserver` has built."""
    named = os.environ.get(variable)
    program = Path(named) if named else _BUILT / name
    return program if program.is_file() else None


def is_built() -> bool:
    """Whether both programs are there."""
    return None not in (find("kube-apiserver", "TEST_ASSET_KUBE_APISERVER"), find("etcd", "TEST_ASSET_ETCD"))


def _content_type(method: str) -> str:
    return "application/merge-patch+json" if method == "PATCH" else "application/json"
