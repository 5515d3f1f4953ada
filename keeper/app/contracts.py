"""How CONTRACT_ADDRESS is read: an address, or which of the contracts that are known on the chain."""

from pydantic import ValidationInfo

from keeper.app.chains import CHAINS
from keeper.app.problems import Wrong
from keeper.app.values import address, one

CORE = "core"
COMPATIBLE = "compatible"


def contract(value: object, info: ValidationInfo) -> str:
    """The contract's address; CHAIN_ID is read before it."""
    word = CORE if value is None else one(value).lower()
    if word not in {CORE, COMPATIBLE}:
        return address(value)
    chain = CHAINS.get(info.data.get("chain_id") or 0)
    if chain is None:
        raise Wrong(f"the contracts are known of these chains, by CHAIN_ID: {', '.join(map(str, CHAINS))}")
    if word == CORE:
        return chain.core
    if chain.compatible is None:
        raise Wrong(f"of {chain.name} only the Pyth Core contract is known: write the address")
    return chain.compatible
