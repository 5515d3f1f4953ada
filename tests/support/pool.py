"""Pools over scripted nodes in memory, with endpoints named a, b, c, d, e."""

import string

from keeper.evm.rpc import RpcPool
from keeper.evm.wire import Call
from tests.support.clock import LoopClock
from tests.support.scripted_node import FakeTransport, ScriptedNode

CHAIN_ID = 31337
READ = "eth_getBalance"
SEND = Call("eth_sendRawTransaction", ("0x02",))
PROBE = {"eth_chainId", "eth_blockNumber"}
LONGEST_PAUSE_S = 5.0
"""Between two probes of an endpoint that is down."""


def pool_of(*nodes: ScriptedNode, chain_id: int | None = CHAIN_ID) -> RpcPool:
    transports = [FakeTransport(name, node) for name, node in zip(string.ascii_lowercase, nodes, strict=False)]
    return RpcPool(transports, clock=LoopClock(), chain_id=chain_id)


async def connected(*nodes: ScriptedNode) -> RpcPool:
    pool = pool_of(*nodes)
    await pool.connect()
    return pool


async def read(pool: RpcPool) -> object:
    """Ask for what every node answers."""
    return await pool.call(READ, "0x5")


def reads(pool: RpcPool, name: str) -> int:
    """How often the endpoint was asked for that."""
    return sum(count for account, count in pool.ledger.requests().items() if account[:2] == (READ, name))
