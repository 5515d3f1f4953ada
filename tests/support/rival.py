"""Somebody else with the keeper's key."""

from keeper.lab.anvil import DEV_ADDRESS
from tests.support.node import Node


async def rival(node: Node, nonce: int, *, fee: int) -> str:
    """Hash of a transaction that the keeper did not send; `fee` is cap and tip, in wei."""
    transaction = {
        "from": DEV_ADDRESS,
        "to": DEV_ADDRESS,
        "value": "0x1",
        "nonce": hex(nonce),
        "gas": hex(21_000),
        "maxFeePerGas": hex(fee),
        "maxPriorityFeePerGas": hex(fee),
    }
    return str(await node.request("eth_sendTransaction", transaction))
