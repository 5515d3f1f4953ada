"""Leases of a real API server keep the contract of leases, by the rights that the manifests grant and no others."""

from itertools import count

import pytest

from keeper.coordination.kubernetes.access import Access
from keeper.coordination.kubernetes.leases import KubernetesLeases
from keeper.coordination.lease import LeaseStore
from keeper.domain.errors import Fatal, Transient
from tests.support.kube.api_server import KubeApiServer, ServiceAccount
from tests.support.lease_contract import LEASE, SHARD, LeaseStoreContract, MakeStore

_namespaces = count(1)


def leases_of(account: ServiceAccount) -> LeaseStore:
    access = Access(url=account.url, folder=account.folder, namespace=account.namespace)
    return KubernetesLeases(access, group="pyth-keeper")


class TestKubernetesLeases(LeaseStoreContract):
    @pytest.fixture
    def make(self, kube: KubeApiServer) -> MakeStore:
        account = kube.service_account(f"leases-{next(_namespaces)}")
        return lambda: leases_of(account)


async def test_says_which_right_is_missing(kube: KubeApiServer) -> None:
    store = leases_of(kube.service_account("no-rights", rules=[]))
    with pytest.raises(
        Fatal, match=r"may not list leases in the namespace no-rights: grant it list, create and update"
    ):
        await store.read()
    await store.close()


async def test_a_token_that_nobody_issued_is_refused(kube: KubeApiServer) -> None:
    account = kube.service_account("forged")
    (account.folder / "token").write_text("forged")
    store = leases_of(account)
    with pytest.raises(Fatal, match="does not know the service account's token"):
        await store.write(SHARD, LEASE)
    await store.close()


async def test_an_api_server_that_is_gone_may_come_back(kube: KubeApiServer) -> None:
    store = leases_of(kube.service_account("gone"))
    await store.read()
    kube.stop()
    with pytest.raises(Transient, match="cannot be reached"):
        await store.read()
    kube.start()
    assert await store.read() == {}
    await store.close()
