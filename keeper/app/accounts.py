"""Who sends with which account on which chain: no two networks with the same, for they would count the same nonces."""

from collections.abc import Callable, Sequence
from functools import partial

from keeper.app.network_settings import NetworkSettings
from keeper.domain.errors import Fatal
from keeper.signing.raw_key import RawKeySigner


def signer(network: NetworkSettings) -> RawKeySigner:
    """Whoever signs for a network."""
    return RawKeySigner(bytes.fromhex(network.private_key.get_secret_value()))


def shared_accounts(networks: Sequence[NetworkSettings]) -> list[tuple[int, str]]:
    """Networks, by their index, whose account is another's on the same chain, and why that will not do.

    Only where the settings tell the chain; elsewhere `Accounts` finds out.
    """
    seen: dict[tuple[int, str], str] = {}
    clashes = []
    for index, network in enumerate(networks):
        if network.chain_id is None:
            continue
        address = signer(network).address
        first = seen.setdefault((network.chain_id, address), network.network_name)
        if first != network.network_name:
            clashes.append((index, _refusal(network.network_name, first, network.chain_id, address)))
    return clashes


class Accounts:
    """Remembers which network uses which account on which chain."""

    def __init__(self) -> None:
        self._users: dict[tuple[int, str], str] = {}

    def admission(self, network: NetworkSettings) -> Callable[[int], None]:
        """What a network is to ask once it knows its chain."""
        return partial(self._admit, network.network_name, network.chain_id, signer(network).address)

    def _admit(self, network: str, wanted: int | None, address: str, chain_id: int) -> None:
        """Raise Fatal where the chain is not the wanted one, or another network sends with the account on it."""
        if wanted is not None and chain_id != wanted:
            raise Fatal(f"its RPC nodes serve chain {chain_id}, and CHAIN_ID says {wanted}: set the one that is right")
        user = self._users.setdefault((chain_id, address), network)
        if user != network:
            raise Fatal(_refusal(network, user, chain_id, address))


def _refusal(network: str, user: str, chain_id: int, address: str) -> str:
    return (
        f"{network} and {user} send with the account {address} on the same chain {chain_id}, and would take each"
        " other's nonces: give each a key of its own"
    )
