"""The ways back of `./deploy.sh`: where a rollout fails, and where somebody asks for it."""

from pathlib import Path

import pytest
import yaml

from tests.support.scripted_cluster import (
    ALL,
    ERROR_LINE,
    NEWER,
    OLDER,
    POD_STANDS_BY,
    POD_WELL,
    PRODUCTION,
    RENDERED,
    SET,
    SET_BEFORE,
    Cluster,
    scripted_cluster,
)

SOON = "--since=[1-9][0-9]?s"
"""The time since a rollout began; `usual` errors are those of ten minutes."""


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    return scripted_cluster(tmp_path)


@pytest.mark.parametrize(
    ("pattern", "out", "code", "said", "verification"),
    [
        (" apply ", "", 1, "kubectl apply has failed", "none"),
        ("rollout status .*--timeout=600s", "", 1, "did not become ready", "none"),
        ("exec pod-1", "FAIL  network evm has failed to push\n", 1, "pod-1 does not do its work", "failed"),
        (f"logs pod-2 .*{SOON}", ERROR_LINE * 6, 0, "pod-2 has logged 6 errors", "failed"),
        (f"logs pod-2 .*{SOON}", "", 1, "the log of pod-2 cannot be read", "failed"),
    ],
)
def test_goes_back_where_the_rollout_fails(
    cluster: Cluster, pattern: str, out: str, code: int, said: str, verification: str
) -> None:
    cluster.answer(pattern, out, code=code, times=1)
    done = cluster.deploy("k8s", "production")
    assert done.returncode == 4, done.stderr
    assert said in done.stderr
    assert cluster.applied() == ["manifests.yaml", "restored.yaml"]
    assert cluster.programs.asked(f"get configmap {SET} "), "the newest that did its work"
    assert cluster.programs.asked("delete configmap pyth-keeper-set-"), "what failed is nothing to go back to"
    record = cluster.audit()
    assert (record["preflight"], record["verification"], record["rolledBack"]) == ("passed", verification, "yes")


def test_goes_back_where_no_pod_comes_to_lead(cluster: Cluster) -> None:
    cluster.answer("exec pod-1 .*--within 1 ", POD_STANDS_BY)
    done = cluster.deploy("k8s", "production", VERIFY_TIMEOUT_S="1")
    assert done.returncode == 5
    assert "no pod leads evm" in done.stderr
    assert cluster.applied() == ["manifests.yaml", "restored.yaml"]


def test_asks_again_where_who_leads_changes_between_two_answers(cluster: Cluster) -> None:
    cluster.answer("exec pod-1", POD_STANDS_BY, times=1)
    done = cluster.deploy("k8s", "production")
    assert done.returncode == 0, done.stderr
    assert len(cluster.programs.asked("exec pod-1")) == 2


def test_each_network_has_to_be_led(cluster: Cluster) -> None:
    cluster.answer("exec pod-1", f"{POD_WELL}ok    network base stands by for pod-2_1f2e\n")
    cluster.answer("exec pod-2", f"{POD_STANDS_BY}ok    network base stands by for pod-1_1f2e\n")
    done = cluster.deploy("verify", VERIFY_TIMEOUT_S="1")
    assert done.returncode == 6
    assert "no pod leads base" in done.stderr
    cluster.answer("exec pod-2", f"{POD_STANDS_BY}ok    network base is watched only: dry run\n")
    assert cluster.deploy("verify").returncode == 0


def test_a_pod_that_goes_while_it_is_asked_is_no_failure(cluster: Cluster) -> None:
    cluster.answer("exec pod-1", code=137)
    cluster.answer("get pods", "pod-2\npod-3\n")
    cluster.answer("get pods", "pod-1\npod-2\n", times=2)
    cluster.answer("exec pod-3", POD_WELL)
    done = cluster.deploy("k8s", "production")
    assert done.returncode == 0, done.stderr
    assert "pods have come or gone meanwhile" in done.stderr


def test_pods_that_come_and_go_for_ever_are_a_failure(cluster: Cluster) -> None:
    cluster.answer("exec pod", code=137)
    for number in range(20):
        cluster.answer("get pods", f"pod-{number}\n", times=1)
    assert cluster.deploy("verify").returncode == 6
    assert len(cluster.programs.asked("exec")) == 3


def test_new_pods_that_are_never_ready_are_waited_for_as_long_as_was_said(cluster: Cluster) -> None:
    cluster.answer("rollout status", code=1, times=1)
    assert cluster.deploy("k8s", "production", ROLLOUT_TIMEOUT_S="3").returncode == 4
    assert cluster.programs.asked("rollout status deployment/pyth-keeper --timeout=3s")


def test_errors_that_were_usual_before_are_no_reason_to_go_back(cluster: Cluster) -> None:
    cluster.answer(f"logs pod-2 .*{SOON}", ERROR_LINE * 6)
    cluster.answer("logs pod-1 .*--since=600s", ERROR_LINE * 6_000)
    assert cluster.deploy("k8s", "production").returncode == 0


def test_errors_of_pods_that_do_not_even_start_count_as_none(cluster: Cluster) -> None:
    cluster.answer("logs pod-1 .*--since=600s", code=1)
    assert cluster.deploy("k8s", "production").returncode == 0


def test_says_where_going_back_fails_as_well(cluster: Cluster) -> None:
    cluster.answer("rollout status", code=1)
    done = cluster.deploy("k8s", "production")
    assert done.returncode == 5
    assert "rolled back: failed" in done.stderr
    assert cluster.audit()["rolledBack"] == "failed"
    assert not cluster.programs.asked("delete configmap pyth-keeper-set-")


def test_what_it_went_back_to_is_verified_as_well(cluster: Cluster) -> None:
    cluster.answer("exec pod-1", "FAIL  network evm: nobody leads\n", code=1)
    done = cluster.deploy("k8s", "production")
    assert done.returncode == 5
    assert cluster.applied() == ["manifests.yaml", "restored.yaml"]
    assert cluster.audit()["rolledBack"] == "failed"


def test_the_first_rollout_has_nothing_to_go_back_to(cluster: Cluster) -> None:
    cluster.answer(r"get deployment/pyth-keeper .*revision", "")
    cluster.answer("get configmaps --selector", "")
    cluster.answer("rollout status", code=1)
    done = cluster.deploy("k8s", "production")
    assert done.returncode == 5
    assert "there is nothing earlier to go back to" in done.stderr
    assert cluster.applied() == ["manifests.yaml"]
    assert cluster.audit()["rolledBack"] == "no"


@pytest.mark.parametrize(
    ("version", "kind"),
    [
        ("v1", "Secret"),
        ("external-secrets.io/v1", "ExternalSecret"),
        ("bitnami.com/v1alpha1", "SealedSecret"),
        ("secrets.hashicorp.com/v1beta1", "VaultAuth"),
        ("v1", "PersistentVolumeClaim"),
    ],
)
def test_going_back_deletes_neither_secrets_nor_data(cluster: Cluster, version: str, kind: str) -> None:
    added = [{"apiVersion": version, "kind": kind, "metadata": {"name": "pyth-keeper-secrets"}}]
    added += [{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "added"}}]
    cluster.answer("kubectl kustomize", yaml.safe_dump_all([*RENDERED, *added]))
    cluster.answer("rollout status", code=1, times=1)
    assert cluster.deploy("k8s", "production").returncode == 4
    deleted = [line for line in cluster.programs.asked("delete") if "configmap" not in line]
    assert deleted == [f"{PRODUCTION} delete service/added --ignore-not-found"]


def test_what_was_rolled_out_in_some_other_way_goes_back_by_its_deployment(cluster: Cluster) -> None:
    cluster.answer("get configmaps --selector", "")
    cluster.answer("rollout status", code=1, times=1)
    done = cluster.deploy("k8s", "production")
    assert done.returncode == 4
    assert "only the Deployment goes back" in done.stderr
    assert cluster.programs.asked("rollout undo deployment/pyth-keeper --to-revision=8")


def test_a_rollback_brings_back_all_that_was_rolled_out_before(cluster: Cluster) -> None:
    done = cluster.deploy("rollback", "production", DEPLOYED_BY="anna")
    assert done.returncode == 0, done.stderr
    assert cluster.programs.asked(f"get configmap {SET_BEFORE} ")
    assert cluster.applied() == ["restored.yaml"]
    deleted = [line for line in cluster.programs.asked("delete") if "set-" not in line]
    assert deleted == [f"{PRODUCTION} delete poddisruptionbudget.policy/{NEWER} --ignore-not-found"]
    assert OLDER not in str(deleted)
    assert cluster.programs.asked("exec pod-1")
    assert cluster.programs.asked("create --filename")[-1].endswith("set.yaml"), "the next one goes back from there"
    record = cluster.audit()
    assert (record["action"], record["who"]) == ("rollback", "anna")
    assert (record["verification"], record["rolledBack"]) == ("passed", "yes")


def test_a_rollback_takes_the_revision_that_is_named(cluster: Cluster) -> None:
    cluster.answer("get configmaps --selector", f"{ALL}pyth-keeper-set-20250101000000 verified 3 d3\n")
    cluster.answer("get configmap pyth-keeper-set-20250101000000", cluster.kept(OLDER))
    assert cluster.deploy("rollback", "production", "3").returncode == 0
    assert cluster.programs.asked("get configmap pyth-keeper-set-20250101000000 ")


def test_a_rollback_after_one_that_was_interrupted_takes_the_last_that_did_its_work(cluster: Cluster) -> None:
    cluster.answer("get configmaps --selector", f"pyth-keeper-set-20260103000000 applied - d8\n{ALL}")
    cluster.answer("get configmap pyth-keeper-set-20260103000000", cluster.kept("pyth-keeper-half-way"))
    assert cluster.deploy("rollback", "production").returncode == 0
    assert cluster.programs.asked("delete poddisruptionbudget.policy/pyth-keeper-half-way")


@pytest.mark.parametrize(
    ("sets", "arguments", "undone"),
    [("", (), "deployment/pyth-keeper"), (ALL, ("2",), "deployment/pyth-keeper --to-revision=2")],
)
def test_a_rollback_to_what_is_not_kept_says_that_only_the_deployment_goes_back(
    cluster: Cluster, sets: str, arguments: tuple[str, ...], undone: str
) -> None:
    cluster.answer("get configmaps --selector", sets)
    done = cluster.deploy("rollback", "production", *arguments)
    assert done.returncode == 0, done.stderr
    assert "only the Deployment goes back" in done.stderr
    asked = cluster.programs.asked("rollout undo")
    assert asked == [f"{PRODUCTION} rollout undo {undone}{each}" for each in (" --dry-run=server", "")]


@pytest.mark.parametrize("newest", ["applied", "verified"])
def test_a_rollback_goes_behind_all_that_equals_what_runs(cluster: Cluster, newest: str) -> None:
    again = f"pyth-keeper-set-20260103000000 {newest} 7 d7\n"
    cluster.answer("get configmaps --selector", f"{again}{ALL}")
    cluster.answer("get configmap pyth-keeper-set-20260103000000", cluster.kept(NEWER))
    assert cluster.deploy("rollback", "production").returncode == 0
    assert cluster.programs.asked(f"get configmap {SET_BEFORE} ")


def test_of_equal_sets_one_is_kept_and_of_those_that_came_to_nothing_none(cluster: Cluster) -> None:
    kept = "pyth-keeper-set-99999999999999"  # newer than any
    half, again = "pyth-keeper-set-20260103000000", "pyth-keeper-set-20260104000000"
    listed = f"{kept} verified 8 d7\n{again} verified 9 d9\n{half} applied - d8\n{ALL}"
    date = cluster.programs.folder / "date"
    date.write_text('#!/bin/sh\ncase $* in *+%Y%m%d%H%M%S) echo 99999999999999 ;; *) exec /bin/date "$@" ;; esac\n')
    date.chmod(0o755)
    cluster.answer("get configmaps --selector", listed)
    assert cluster.deploy("k8s", "production").returncode == 0
    deleted = [line.split()[6] for line in cluster.programs.asked("delete configmap pyth-keeper-set")]
    assert deleted == [half, SET]


CHANGED = r"diff .*deployment.yaml"


def test_a_rollback_guesses_nothing_where_somebody_has_changed_the_deployment_since(cluster: Cluster) -> None:
    cluster.answer(CHANGED, "- image: v0\n+ image: v1\n", code=1)
    done = cluster.deploy("rollback", "production")
    assert done.returncode == 3
    assert f"what runs is not what {SET} holds" in done.stderr
    assert "- image: v0" in done.stderr
    assert "name what to go back to" in done.stderr
    assert not cluster.changed()
    for named in ("6", SET_BEFORE):
        assert cluster.deploy("rollback", "production", named).returncode == 0
    assert cluster.applied() == ["restored.yaml", "restored.yaml"]


@pytest.mark.parametrize(("newest", "code"), [("verified 7", 2), ("applied -", 1)])
def test_a_rollback_goes_on_where_that_cannot_be_told_or_does_not_matter(
    cluster: Cluster, newest: str, code: int
) -> None:
    cluster.answer("get configmaps --selector", f"{SET} {newest} d7\n{SET_BEFORE} verified 6 d6\n")
    cluster.answer(CHANGED, code=code)
    assert cluster.deploy("rollback", "production").returncode == 0


def test_a_failed_rollout_goes_back_to_what_ran_and_not_to_what_somebody_had_taken_back(cluster: Cluster) -> None:
    cluster.answer(CHANGED, "- image: v0\n+ image: v1\n", code=1)
    cluster.answer("rollout status", code=1, times=1)
    done = cluster.deploy("k8s", "production")
    assert done.returncode == 4
    assert "only the Deployment goes back, to revision 8" in done.stderr
    assert cluster.applied() == ["manifests.yaml"]
    assert cluster.programs.asked("rollout undo deployment/pyth-keeper --to-revision=8")


def test_of_several_sets_with_one_revision_one_has_to_be_named(cluster: Cluster) -> None:
    cluster.answer("get configmaps --selector", f"{SET} verified 7 d7\n{SET_BEFORE} verified 7 d6\n")
    done = cluster.deploy("rollback", "production", "7")
    assert done.returncode == 3
    assert f"name one of them: {SET} {SET_BEFORE}" in done.stderr
    assert not cluster.changed()


def test_a_rollback_to_nothing_changes_nothing(cluster: Cluster) -> None:
    cluster.answer("get configmaps --selector", f"{SET} verified 7 d7\n")
    cluster.answer("rollout undo .*--dry-run", code=1)
    done = cluster.deploy("rollback", "production")
    assert done.returncode == 3
    assert "there is nothing to go back to" in done.stderr
    done = cluster.deploy("rollback", "production", "pyth-keeper-set-20200101000000")
    assert done.returncode == 3
    assert "pyth-keeper-set-20200101000000 is not kept" in done.stderr


def test_a_rollback_that_fails_says_so(cluster: Cluster) -> None:
    cluster.answer("exec pod-1", "FAIL  network evm: nobody leads\n", code=1)
    done = cluster.deploy("rollback", "production")
    assert done.returncode == 5
    assert cluster.audit()["rolledBack"] == "failed"


def test_a_rollback_of_no_target_means_production_only_where_somebody_says_so(cluster: Cluster) -> None:
    assert cluster.deploy("rollback").returncode == 2
    assert not cluster.programs.asked()
    assert cluster.deploy("rollback", "--yes").returncode == 0


def test_only_the_newest_ten_are_kept(cluster: Cluster) -> None:
    names = [f"pyth-keeper-set-202601{day:02}000000" for day in range(1, 13)]
    cluster.answer("get configmaps --selector", "".join(f"{name} verified 1 {name}\n" for name in names))
    cluster.answer("get configmap pyth", cluster.kept(OLDER))
    assert cluster.deploy("k8s", "production").returncode == 0
    deleted = [line.split()[6] for line in cluster.programs.asked("delete configmap pyth-keeper-set")]
    assert sorted(deleted) == names[:3], "with what runs now"
