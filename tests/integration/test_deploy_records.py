"""What `./deploy.sh` records and says where it is interrupted, and where it cannot write its record."""

from pathlib import Path

import pytest

from tests.support.scripted_cluster import PRODUCTION, SET, SET_BEFORE, Cluster, scripted_cluster


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    return scripted_cluster(tmp_path)


@pytest.mark.parametrize("moment", ["create --filename .*preflight.yaml", "diff .*manifests.yaml", "create .*set.yaml"])
def test_interrupted_before_anything_was_changed_it_leaves_nothing(cluster: Cluster, moment: str) -> None:
    cluster.programs.answer(moment, interrupts=True)
    done = cluster.deploy("k8s", "production")
    assert done.returncode == 3
    assert "interrupted: nothing was changed" in done.stderr
    assert not cluster.changed()
    assert cluster.programs.asked("delete job/pyth-keeper-preflight-")
    was_kept = bool(cluster.programs.asked("set.yaml"))
    assert bool(cluster.programs.asked("delete configmap pyth-keeper-set-")) is was_kept
    assert not cluster.programs.asked("annotate")
    assert cluster.audit()["preflight"] == "interrupted"


@pytest.mark.parametrize("moment", [" apply ", "rollout status", "exec pod-1"])
def test_an_interrupted_rollout_is_recorded_and_tells_what_to_type(cluster: Cluster, moment: str) -> None:
    cluster.programs.answer(moment, interrupts=True, times=1)
    done = cluster.deploy("k8s", "production")
    assert done.returncode == 5
    assert "what runs in pyth-keeper was not verified" in done.stderr
    assert f"see it: ./deploy.sh status production; back: ./deploy.sh rollback production {SET}" in done.stderr
    assert "or forward: the same command again" in done.stderr
    record = cluster.audit()
    assert (record["preflight"], record["verification"], record["rolledBack"]) == ("passed", "interrupted", "no")
    (annotated,) = cluster.programs.asked("annotate")
    assert "--request-timeout=10s" in annotated
    assert cluster.deploy("rollback", "production", SET).returncode == 0


@pytest.mark.parametrize("moment", ["rollout status", "exec pod-1"])
def test_a_signal_is_heard_while_a_program_takes_its_time(cluster: Cluster, moment: str) -> None:
    cluster.programs.answer(moment, interrupts=True, hangs=True, times=1)
    assert cluster.deploy("k8s", "production").returncode == 5
    assert not cluster.programs.asked("nobody ended")


def test_interrupted_on_the_way_back_it_tells_how_to_go_on(cluster: Cluster) -> None:
    cluster.answer("exec pod-1", "FAIL  network evm has failed to push\n", code=1, times=1)
    cluster.programs.answer("apply .*restored.yaml", interrupts=True, times=1)
    done = cluster.deploy("k8s", "production")
    assert done.returncode == 5
    assert f"back: ./deploy.sh rollback production {SET}" in done.stderr
    assert "or forward" not in done.stderr
    record = cluster.audit()
    assert (record["verification"], record["rolledBack"]) == ("failed", "interrupted")


def test_an_interrupted_first_rollout_has_nothing_to_go_back_to(cluster: Cluster) -> None:
    cluster.answer(r"get deployment/pyth-keeper .*revision", "")
    cluster.answer("get configmaps --selector", "")
    cluster.programs.answer("rollout status", interrupts=True)
    assert "back: there is nothing earlier" in cluster.deploy("k8s", "production").stderr


def test_an_interrupted_rollback_tells_how_to_go_on(cluster: Cluster) -> None:
    cluster.programs.answer("rollout status", interrupts=True)
    done = cluster.deploy("rollback", "production")
    assert done.returncode == 5
    assert f"./deploy.sh rollback production {SET_BEFORE}" in done.stderr
    assert cluster.audit()["rolledBack"] == "interrupted"


def test_interrupted_while_it_deletes_it_says_that_all_else_is_done(cluster: Cluster) -> None:
    left = "statefulset.apps/pyth-keeper-postgres"
    cluster.answer("get configmaps,.* --output name", f"{left}\n")
    cluster.programs.answer(f"delete {left}", interrupts=True)
    done = cluster.deploy("k8s", "production", "--allow-deletions")
    assert done.returncode == 1
    assert "runs and does its work; the same command deletes what was to be deleted" in done.stderr
    assert cluster.audit()["verification"] == "passed"


@pytest.mark.parametrize("obstacle", ["the folder", "the file"])
def test_nothing_is_rolled_out_that_cannot_be_recorded(cluster: Cluster, obstacle: str) -> None:
    obstruct(cluster, obstacle)
    done = cluster.deploy("k8s", "production", "--allow-dirty")
    assert done.returncode == 1
    assert ".deploy/audit.jsonl cannot be written: nothing was changed" in done.stderr
    assert not cluster.programs.asked()


def test_a_rollback_does_not_wait_for_a_place_for_its_record(cluster: Cluster) -> None:
    obstruct(cluster, "the folder")
    done = cluster.deploy("rollback", "production")
    assert done.returncode == 0, done.stderr
    assert ".deploy/audit.jsonl cannot be written" in done.stderr
    assert '"action":"rollback"' in done.stdout
    assert cluster.programs.asked(
        f"{PRODUCTION} --request-timeout=10s annotate deployment/pyth-keeper pyth-keeper/rollout="
    )


def obstruct(cluster: Cluster, what: str) -> None:
    """Something else lies where the record would be written."""
    place = cluster.folder / ".deploy"
    if what == "the folder":
        place.touch()
    else:
        (place / "audit.jsonl").mkdir(parents=True)
