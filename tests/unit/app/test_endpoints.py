"""Endpoints are named without their keys, and plaintext stays in private networks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.app.endpoints import endpoint_names, is_private, secrets_in


def test_names_are_hosts_with_unusual_ports_and_numbers_where_they_repeat() -> None:
    assert endpoint_names(
        [
            "https://rpc.example.org/v2/first-key",
            "wss://rpc.example.org/v2/second-key",
            "http://127.0.0.1:8545",
            "https://user:password@RPC.example.org:443",
            "http://[::1]:8545/",
            "ws://node:80",
        ]
    ) == ("rpc.example.org", "rpc.example.org#2", "127.0.0.1:8545", "rpc.example.org#3", "[::1]:8545", "node")


@given(st.lists(st.sampled_from(["https://a.example/x", "wss://a.example", "https://b.example:1"]), max_size=8))
def test_names_are_unique(urls: list[str]) -> None:
    names = endpoint_names(urls)
    assert len(set(names)) == len(urls)


@pytest.mark.parametrize(
    "host",
    [
        "localhost", "node", "anvil-1", "node.local", "node.keeper.svc", "node.keeper.svc.cluster.local",
        "host.docker.internal", "127.0.0.1", "127.9.9.9", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1",
        "169.254.1.1", "::1", "::", "fd00::1", "fe80::1", "::ffff:10.0.0.1",
    ],
)  # fmt: skip
def test_private_hosts(host: str) -> None:
    assert is_private(host)


@pytest.mark.parametrize(
    "host",
    [
        "rpc.example.org", "8.8.8.8", "172.32.0.1", "203.0.113.5", "100.64.0.1", "2606:4700::1", "::ffff:8.8.8.8",
        "134744072", "0x08080808", "8.8", "mylocal.example.org",
    ],
)  # fmt: skip
def test_public_hosts(host: str) -> None:
    assert not is_private(host)


def test_secrets_of_a_url_are_its_login_and_the_long_parts_of_path_and_query() -> None:
    url = "https://somebody-long:pw12@rpc.example.org/mainnet/0123456789abcdef?dkey=abcdef0123456789&chain=eth"
    assert set(secrets_in(url)) == {
        url,
        "somebody-long",
        "pw12",
        "/mainnet/0123456789abcdef?dkey=abcdef0123456789&chain=eth",
        "0123456789abcdef",
        "abcdef0123456789",
    }


@pytest.mark.parametrize("url", ["https://hermes.pyth.network", "http://127.0.0.1:8545/"])
def test_a_bare_address_is_no_secret(url: str) -> None:
    assert list(secrets_in(url)) == []
