"""The API server that the drills run on is one: it keeps what it is told, and refuses what RBAC does not allow."""

import signal

import pytest

from tests.support.kube.api_server import ApiError, KubeApiServer

LEASES = "/apis/coordination.k8s.io/v1/namespaces/{}/leases"


def test_refuses_what_the_role_does_not_name(kube: KubeApiServer) -> None:
    account = kube.service_account("rights")
    leases = LEASES.format("rights")
    made = kube.request("POST", leases, {"metadata": {"name": "one"}}, token=account.token)
    (listed,) = kube.request("GET", leases, token=account.token)["items"]
    assert listed["metadata"] == made["metadata"]
    for method, path in (("GET", f"{leases}/one"), ("DELETE", f"{leases}/one"), ("GET", LEASES.format("default"))):
        with pytest.raises(ApiError, match="is forbidden"):
            kube.request(method, path, token=account.token)


def test_refuses_an_update_of_what_has_changed_since(kube: KubeApiServer) -> None:
    account = kube.service_account("races")
    leases = LEASES.format("races")
    read = kube.request("POST", leases, {"metadata": {"name": "one"}}, token=account.token)
    kube.request("PUT", f"{leases}/one", read | {"spec": {"holderIdentity": "first"}}, token=account.token)
    with pytest.raises(ApiError, match="409"):
        kube.request("PUT", f"{leases}/one", read | {"spec": {"holderIdentity": "second"}}, token=account.token)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_keeps_what_it_was_told_over_a_restart(kube: KubeApiServer, how: signal.Signals) -> None:
    account = kube.service_account(f"restart-{how.name.lower()}")
    leases = LEASES.format(account.namespace)
    made = kube.request("POST", leases, {"metadata": {"name": "one"}}, token=account.token)
    kube.stop(how)
    with pytest.raises(OSError, match="refused"):
        kube.request("GET", leases, token=account.token)
    kube.start()
    (listed,) = kube.request("GET", leases, token=account.token)["items"]
    assert listed["metadata"] == made["metadata"]
