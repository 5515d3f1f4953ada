"""Puts Multicall3 where it is on real chains."""

import json
from importlib.resources import files

from keeper.evm.multicall import MULTICALL3
from keeper.evm.rpc import RpcPool


async def place_multicall(pool: RpcPool, address: str = MULTICALL3) -> None:
    """Only on Anvil, which lets code be put at any address; raises Transient elsewhere."""
    artifact = json.loads((files("keeper.lab") / "Multicall3.json").read_text())
    await pool.call("anvil_setCode", address, artifact["runtimeBytecode"])
