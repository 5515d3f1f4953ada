"""Contracts that trust the genuine guardian sets."""

from collections.abc import Iterator
from typing import Any

from tests.support.fixtures import genuine_updates, guardian_sets
from tests.support.pyth_contract import Terms

GUARDIANS = 19
QUORUM = 13
UNKNOWN_GUARDIAN = "0x" + "55" * 20
"""Sits where the genuine guardian signed none of our updates."""


def guardian_terms(set_index: int) -> Terms:
    """Of a contract that accepts mainnet updates of this set."""
    known = guardian_sets()[str(set_index)]
    signers = [known.get(str(index), UNKNOWN_GUARDIAN) for index in range(GUARDIANS)]
    return Terms(signers=signers, quorum=QUORUM, signer_set=set_index)


def price_updates(set_index: int) -> Iterator[tuple[bytes, list[dict[str, Any]]]]:
    """Every genuine update of the set that a contract accepts, oldest first: the blob and its decoded messages."""
    for update in sorted(genuine_updates(), key=lambda update: int(update["timestamp"])):
        if update["guardian_set"] == set_index and holds_proven_prices(update):
            yield bytes.fromhex(update["hex"]), update["messages"]


def holds_proven_prices(update: dict[str, Any]) -> bool:
    """Whether it is for updatePriceFeeds: price messages only, each with a good proof."""
    return bool(update["valid_merkle"]) and all(message["kind"] == "price_feed" for message in update["messages"])
