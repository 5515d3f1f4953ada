"""`./deploy.sh` with the real kubectl on a real API server: what it applies, keeps, records and takes back."""

import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from tests.support.kube.api_server import ApiError, KubeApiServer
from tests.support.kube.rollouts import BROKEN, IMAGE, STUCK, Rollouts

_numbers = count(1)
EXTRA_POLICY = """
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: pyth-keeper-extra
  labels:
    app: pyth-keeper
spec:
  podSelector: {}
  policyTypes: [Egress]
"""
MORE_PODS = """
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: pyth-keeper
spec:
  maxReplicas: 9
"""


@pytest.fixture
def rollouts(kube: KubeApiServer, tmp_path: Path) -> Iterator[Rollouts]:
    made = Rollouts(kube, tmp_path, f"rollouts-{next(_numbers)}")
    made.prepare()
    with made.controllers():
        yield made


def change_everything(rollouts: Rollouts) -> None:
    """Settings, scaling, and one object more."""
    (rollouts.overlay / "extra.yaml").write_text(EXTRA_POLICY)
    rollouts.change("kustomization.yaml", resources=["namespace.yaml", "../../base", "extra.yaml"])
    rollouts.change("kustomization.yaml", patches=[{"patch": MORE_PODS}])
    rollouts.change("keeper.yaml", preset="cost")


def roll_out(rollouts: Rollouts, tag: str, **environ: str) -> tuple[int, str]:
    done = rollouts.deploy("k8s", "drill", "--image", f"{IMAGE}:{tag}", **environ)
    return done.returncode, done.stdout + done.stderr


def test_the_first_rollout_makes_all_there_is_and_keeps_and_records_it(rollouts: Rollouts) -> None:
    code, said = roll_out(rollouts, "v1", DEPLOYED_BY="anna")
    assert code == 0, said
    assert rollouts.image() == f"{IMAGE}:v1"
    record = rollouts.record()
    assert (record["who"], record["revision"], record["verification"]) == ("anna", "1", "passed")
    assert record == json.loads((rollouts.folder / ".deploy" / "audit.jsonl").read_text())
    (kept,) = rollouts.get("api/v1", "configmaps?labelSelector=pyth-keeper/set=verified")["items"]
    assert kept["metadata"]["labels"]["pyth-keeper/revision"] == "1"
    assert not rollouts.get("apis/batch/v1", "jobs")["items"], "the preflight leaves nothing behind"


@pytest.mark.parametrize("tag", [BROKEN, STUCK])
def test_a_rollout_that_fails_is_taken_back_with_all_that_it_changed(rollouts: Rollouts, tag: str) -> None:
    assert roll_out(rollouts, "v1")[0] == 0
    before = rollouts.state()
    change_everything(rollouts)
    code, said = roll_out(rollouts, tag, ROLLOUT_TIMEOUT_S="15")
    assert code == 4, said
    assert "pyth-keeper-extra" in said, "the difference was shown"
    assert rollouts.state() == before
    assert rollouts.record()["rolledBack"] == "yes"


def test_a_rollback_brings_back_all_of_the_rollout_before_and_a_second_one_undoes_it(rollouts: Rollouts) -> None:
    assert roll_out(rollouts, "v1")[0] == 0
    first = rollouts.state()
    change_everything(rollouts)
    code, said = roll_out(rollouts, "v2")
    assert code == 0, said
    phases = {each["metadata"]["name"]: each for each in rollouts.get("api/v1", "pods")["items"]}
    assert "deletionTimestamp" in phases["pyth-keeper-1"]["metadata"], "it was not asked any more"
    second = rollouts.state()
    assert second == {
        "image": f"{IMAGE}:v2",
        "settings": second["settings"],
        "most pods": 9,
        "policies": ["pyth-keeper", "pyth-keeper-extra"],
    }
    assert "preset: cost" in str(second["settings"])
    for expected in (first, second):
        done = rollouts.deploy("rollback", "drill")
        assert done.returncode == 0, done.stdout + done.stderr
        assert rollouts.state() == expected
    done = rollouts.deploy("rollback", "drill", "3")
    assert done.returncode == 0, done.stdout + done.stderr
    assert rollouts.state() == first, "revision 3 was the first rollback"
    assert rollouts.record()["action"] == "rollback"
    assert len(kept(rollouts)) == 2


def test_a_rollback_goes_behind_manifests_that_were_rolled_out_twice(rollouts: Rollouts) -> None:
    assert roll_out(rollouts, "v1")[0] == 0
    first = rollouts.state()
    for _ in range(2):
        code, said = roll_out(rollouts, "v2")
        assert code == 0, said
    assert len(kept(rollouts)) == 2
    done = rollouts.deploy("rollback", "drill")
    assert done.returncode == 0, done.stdout + done.stderr
    assert rollouts.state() == first


def test_what_somebody_changed_by_kubectl_is_noticed(rollouts: Rollouts) -> None:
    assert roll_out(rollouts, "v1")[0] == 0
    assert roll_out(rollouts, "v2")[0] == 0
    rollouts.kubectl("--namespace", rollouts.namespace, "rollout", "restart", "deployment/pyth-keeper")
    rollouts.kubectl("--namespace", rollouts.namespace, "scale", "deployment/pyth-keeper", "--replicas=3")
    code, said = roll_out(rollouts, BROKEN)
    assert code == 4, said
    assert "what runs is not what" not in said, "what was only restarted or scaled is what was rolled out"
    rollouts.set_image("v0")
    before = rollouts.state()
    code, said = roll_out(rollouts, BROKEN)
    assert code == 4, said
    assert "what runs is not what" in said
    assert rollouts.state() == before
    done = rollouts.deploy("rollback", "drill")
    assert done.returncode == 3
    assert rollouts.state() == before
    done = rollouts.deploy("rollback", "drill", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert rollouts.image() == f"{IMAGE}:v1"


def kept(rollouts: Rollouts) -> list[str]:
    """The sets that a rollback may bring back."""
    found = rollouts.get("api/v1", "configmaps?labelSelector=pyth-keeper/set")["items"]
    return [each["metadata"]["name"] for each in found]


def test_what_no_manifest_names_any_more_is_deleted_only_where_that_is_allowed(rollouts: Rollouts) -> None:
    change_everything(rollouts)
    assert roll_out(rollouts, "v1")[0] == 0
    rollouts.change("kustomization.yaml", resources=["namespace.yaml", "../../base"])
    code, said = roll_out(rollouts, "v1")
    assert code == 3
    assert "networkpolicy.networking.k8s.io/pyth-keeper-extra" in said
    done = rollouts.deploy("k8s", "drill", "--image", f"{IMAGE}:v1", "--allow-deletions")
    assert done.returncode == 0, done.stdout + done.stderr
    assert rollouts.state()["policies"] == ["pyth-keeper"]


def test_nothing_is_changed_where_the_secret_is_missing(rollouts: Rollouts) -> None:
    rollouts.kubectl("delete", "secret", "pyth-keeper-secrets", "--namespace", rollouts.namespace)
    code, said = roll_out(rollouts, "v1")
    assert code == 3
    assert "there is no Secret pyth-keeper-secrets" in said
    with pytest.raises(ApiError, match="404"):
        rollouts.deployment()


def test_status_tells_what_was_rolled_out_and_what_can_come_back(rollouts: Rollouts) -> None:
    assert roll_out(rollouts, "v1")[0] == 0
    done = rollouts.deploy("status", "drill")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "pyth-keeper-set-" in done.stdout
    assert '"verification":"passed"' in done.stdout
