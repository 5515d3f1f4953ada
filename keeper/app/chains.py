"""Chains that are known: where Pyth's contracts are, and what is special. A chain that is not here needs only settings.

Chain ids: pyth-network/pyth-crosschain, contract_manager/src/store/chains/EvmChains.json at commit 03362d2.
Pyth Core: the same repository, contracts/EvmPriceFeedContracts.json at commit 8d92b51. The contracts were upgraded in
place on 2026-08-26 and kept these addresses (docs.pyth.network/pro/contract-addresses); chains that the upgrade left
out (docs.pyth.network/price-feeds/pro/no-longer-supported) are left out here too.
Pyth Core Compatible: pull request 3897 of that repository, of 2026-07-14. Those of other chains are not here, for they
were found in no source of Pyth's own.
Update fee: none on any EVM chain since OP-PIP-128 (docs.pyth.network/price-feeds/pro/on-chain-fees); contracts are
asked for it all the same.
First come, first served: docs.arbitrum.io/how-arbitrum-works, of Arbitrum unless its DAO votes for auctions.
Block times: what viem (wevm/viem, src/chains/definitions) has as blockTime, at commit 37d718b for Ethereum, Polygon,
Arbitrum and Linea and, by src/chains/internal/opStack.ts, for chains of the OP stack; at 0949ded for Sonic and
Berachain; at 0d5c0eb for Abstract. They are a beginning: what the chain shows is learned.
Fees: ethereum-lists/chains, _data/chains/eip155-1.json at commit 04830f3, names EIP1559. Which chains are of the OP
stack, whose receipts tell a share of L1 beside the gas, is in viem's definitions at 37d718b. Those of other chains were
found in no such source: FEE_STRATEGY=auto finds them out.

All of it was looked up on 2026-11-26 and 27.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class FeeStyle(StrEnum):
    """What a transaction pays."""

    EIP1559 = "eip1559"
    OP_STACK = "eip1559 and a share of L1"


@dataclass(frozen=True, slots=True)
class KnownChain:
    """One chain. Addresses are checksummed."""

    chain_id: int
    name: str
    core: str
    compatible: str | None = None
    """Of the second contract with the same interface; None where it is not known."""
    block_time_s: float | None = None
    """As far as it is known, like the next one."""
    fees: FeeStyle | None = None
    outbids: bool = True
    """Whether a higher fee gets a transaction in earlier; not where the sequencer serves first come, first."""


_A = "0xff1a0f4744e8582DF1aE09D5611b887B6a12925C"
_B = "0xA2aa501b19aff244D90cc15a4Cf739D2725B5729"
_C = "0x2880aB155794e7179c9eE2e38200202908C17B43"
"""Addresses that the contract has on several chains."""

_CHAINS = (
    KnownChain(1, "ethereum", "0x4305FB66699C3B2702D4d05CF36551390A4c69C6", block_time_s=12, fees=FeeStyle.EIP1559),
    KnownChain(10, "optimism", _A, block_time_s=2, fees=FeeStyle.OP_STACK),
    KnownChain(137, "polygon", _A, "0x6E7D74FA7d5c90FEF9F0512987605a6d546181Bb", block_time_s=2),
    KnownChain(146, "sonic", _C, block_time_s=0.68),
    KnownChain(999, "hyperevm", "0xe9d69CdD6Fe41e7B621B4A688C5D1a68cB5c8ADc"),
    KnownChain(1868, "soneium", _C, block_time_s=2, fees=FeeStyle.OP_STACK),
    KnownChain(2741, "abstract", "0x8739d5024B5143278E2b15Bd9e7C26f6CEc658F1", block_time_s=0.2),
    KnownChain(8453, "base", "0x8250f4aF4B972684F7b336503E2D6dFeDeB1487a", block_time_s=2, fees=FeeStyle.OP_STACK),
    KnownChain(42161, "arbitrum", _A, block_time_s=0.25, outbids=False),
    KnownChain(59144, "linea", _B, block_time_s=2),
    KnownChain(80094, "berachain", _C, block_time_s=1.92),
    KnownChain(10143, "monad-testnet", _C),
    KnownChain(59141, "linea-sepolia", _B),
    KnownChain(80002, "polygon-amoy", _C, "0x0708325268dF9F66270F1401206434524814508b"),
    KnownChain(80069, "berachain-bepolia", _C),
    KnownChain(84532, "base-sepolia", _B, block_time_s=2, fees=FeeStyle.OP_STACK),
    KnownChain(
        421614, "arbitrum-sepolia", "0x4374e5a8b9C22271E9EB878A2AA31DE97DF15DAF", block_time_s=0.25, outbids=False
    ),
    KnownChain(
        11155420,
        "optimism-sepolia",
        "0x0708325268dF9F66270F1401206434524814508b",
        block_time_s=2,
        fees=FeeStyle.OP_STACK,
    ),
)

CHAINS: Mapping[int, KnownChain] = {chain.chain_id: chain for chain in _CHAINS}
"""By chain id."""
