"""What `keeper check` and `keeper run` say of a service account's rights, by the word of a real API server."""

import asyncio
import json
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from keeper.coordination.kubernetes.access import Access
from keeper.coordination.kubernetes.rights import missing_rights
from keeper.domain.errors import Fatal, Transient
from tests.support.keeper_process import KEEPER, keeper_running
from tests.support.kube.api_server import LEASE_RULE, KubeApiServer, Manifest, ServiceAccount
from tests.support.kube.stage import Stage
from tests.support.waiting import wait_until

READ_ONLY = {**LEASE_RULE, "verbs": ["list"]}
ELSEWHERE = {**LEASE_RULE, "apiGroups": ["another.example.org"]}


def access_of(account: ServiceAccount) -> Access:
    return Access(url=account.url, folder=account.folder, namespace=account.namespace)


@pytest.mark.parametrize(
    ("name", "rules", "missing"),
    [
        ("all", [LEASE_RULE], []),
        ("read-only", [READ_ONLY], ["create", "update"]),
        ("elsewhere", [ELSEWHERE], ["list", "create", "update"]),
        ("none", [], ["list", "create", "update"]),
    ],
)
async def test_every_right_that_is_missing_is_found(
    kube: KubeApiServer, name: str, rules: Sequence[Manifest], missing: Sequence[str]
) -> None:
    account = kube.service_account(f"rights-{name}", rules=rules)
    assert await missing_rights(access_of(account)) == missing
    assert kube.asked_by(account) == {("create", "selfsubjectaccessreviews.authorization.k8s.io")}


async def test_a_token_that_nobody_issued_is_told(kube: KubeApiServer) -> None:
    account = kube.service_account("rights-forged")
    (account.folder / "token").write_text("forged")
    with pytest.raises(Fatal, match="does not know the service account's token"):
        await missing_rights(access_of(account))


async def test_an_api_server_that_is_gone_is_told(kube: KubeApiServer) -> None:
    account = kube.service_account("rights-gone")
    kube.stop()
    with pytest.raises(Transient, match="cannot be reached"):
        await missing_rights(access_of(account))
    kube.start()


def environ(stage: Stage, account: ServiceAccount) -> dict[str, str]:
    """Of a keeper in a pod with this service account."""
    return stage.environ | {
        "LOG_FORMAT": "json",
        "COORDINATION": "kubernetes",
        "KUBERNETES_SERVICE_HOST": "127.0.0.1",
        "KUBERNETES_SERVICE_PORT": account.url.rpartition(":")[2],
        "KUBERNETES_SERVICE_ACCOUNT": str(account.folder),
        "LEASE_DURATION_MS": "5000",
    }


async def checked(stage: Stage, account: ServiceAccount, folder: Path) -> tuple[int, dict[str, tuple[str, str]]]:
    """Exit code of `keeper check`, and what it found, by check."""
    process = await asyncio.create_subprocess_exec(
        KEEPER, "check", "--json", env=environ(stage, account), cwd=folder, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    found = json.loads(await process.stdout.read())
    return await process.wait(), {each["check"]: (each["state"], each["detail"]) for each in found}


async def test_keeper_check_has_a_line_for_it(stage: Stage, tmp_path: Path) -> None:
    code, found = await checked(stage, stage.account, tmp_path)
    namespace = stage.account.namespace
    assert code == 0, found
    assert found["kubernetes rights"] == ("ok", f"may list, create and update leases in the namespace {namespace}")

    powerless = stage.kube.service_account(f"{namespace}-powerless", rules=[READ_ONLY])
    code, found = await checked(stage, powerless, tmp_path)
    assert code == 1
    state, detail = found["kubernetes rights"]
    assert state == "fail"
    assert f"may not create and update leases in the namespace {powerless.namespace}" in detail
    assert "k8s/base/rbac.yaml" in detail


async def test_a_keeper_without_rights_never_sends_and_says_so(stage: Stage, tmp_path: Path) -> None:
    powerless = stage.kube.service_account(f"{stage.account.namespace}-mute", rules=[])
    async with keeper_running(environ(stage, powerless), tmp_path, ready=False) as keeper:
        await wait_until(lambda: keeper.told("coordination_failed"))
        (line,) = keeper.told("coordination_failed")
        assert line["level"] == "error"
        assert "may not list leases" in str(line)
        assert "grant it list, create and update" in str(line)
        network = await keeper.network()
        assert not network["leadership"]["held"]
        assert "may not list leases" in network["leadership"]["trouble"]
        _, health = await keeper.get("/health")
        assert health["status"] == "degraded", "an API server that is away for a moment restarts no pod"
        assert "may not list leases" in str(health)
        _, metrics = await keeper.get("/metrics")
        assert re.search(r"^keeper_leader\{.*\} 0$", metrics, re.MULTILINE), "an alert goes by it"
        assert not keeper.told("push_sent")
    assert not stage.landings.writes
