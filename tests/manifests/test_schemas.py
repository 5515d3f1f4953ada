"""What kustomize makes of every overlay is what Kubernetes takes, to the letter."""

from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.support.kube.manifests import K8S, OVERLAYS, objects, rendered

VERSION = "1.34"
CUSTOM = {"ServiceMonitor", "PrometheusRule", "ExternalSecret"}
"""Of operators: Kubernetes has no schema of them."""
MANIFESTS_AMONG_EXAMPLES = ("secret.yaml", "external-secret.yaml")


def assert_valid(manifest: dict[str, Any]) -> None:
    if manifest["kind"] not in CUSTOM:
        kubernetes_validate.validate(manifest, VERSION, strict=True)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_object_is_valid(overlay: str) -> None:
    for manifest in objects(overlay):
        assert_valid(manifest)


def test_an_unknown_field_is_found() -> None:
    manifest = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "x"}, "automount": False}
    with pytest.raises(kubernetes_validate.ValidationError, match="automount"):
        assert_valid(manifest)


@pytest.mark.parametrize("name", MANIFESTS_AMONG_EXAMPLES)
def test_every_example_is_valid(name: str) -> None:
    assert_valid(yaml.safe_load((K8S / "examples" / name).read_text()))


def test_the_egress_example_applies(tmp_path: Path) -> None:
    patch = {"path": "egress.yaml", "target": {"kind": "NetworkPolicy", "name": "pyth-keeper"}}
    (tmp_path / "egress.yaml").write_text((K8S / "examples" / "egress.yaml").read_text())
    (tmp_path / "policy.yaml").write_text((K8S / "base" / "network-policy.yaml").read_text())
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump({"resources": ["policy.yaml"], "patches": [patch]}))
    (policy,) = yaml.safe_load_all(rendered(tmp_path))
    assert_valid(policy)
    open_ports = {port["port"] for rule in policy["spec"]["egress"] for port in rule["ports"]}
    assert open_ports == {53, 443, 6443, 8545, 8546, 5432, 8200}
