"""What befalls a keeper in a fault world: slow blocks, rivals at its nonces, ill endpoints."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from tests.support.fault_world import FaultWorld
from tests.support.relay import Ill, Relay
from tests.support.rival import rival as send_as_rival

BLOCK_S = 0.5
GWEI = 10**9


@asynccontextmanager
async def blocks_coming(
    world: FaultWorld, *, base_fee: int | None = None, every_s: float = BLOCK_S
) -> AsyncIterator[None]:
    """A block every so often, at this base fee, in place of one for every transaction."""

    async def come() -> None:
        while True:
            if base_fee is not None:
                await world.node.request("anvil_setNextBlockBaseFeePerGas", hex(base_fee))
            await world.node.request("evm_mine")
            await asyncio.sleep(every_s)

    await world.node.request("evm_setAutomine", False)
    coming = asyncio.create_task(come(), name="blocks")
    try:
        yield
    finally:
        coming.cancel()
        await asyncio.gather(coming, return_exceptions=True)


async def rival(world: FaultWorld, nonce: int, *, fee: int = 5 * GWEI) -> str:
    """Somebody else sends a transaction with the keeper's key."""
    tx_hash = await send_as_rival(world.node, nonce, fee=fee)
    world.strangers.add(tx_hash)
    return tx_hash


async def mine_for_every_transaction(world: FaultWorld) -> None:
    """As at the start; what waits is mined now."""
    await world.node.request("evm_setAutomine", True)
    await world.node.request("evm_mine")


def over(world: FaultWorld, transport: str) -> None:
    """The keeper that comes next reaches the chain by `http` or `ws`."""
    world.environ["RPC_URL"] = world.anvil.ws_url if transport == "ws" else world.anvil.url


@asynccontextmanager
async def relays(world: FaultWorld, count: int) -> AsyncIterator[list[Relay]]:
    """So many endpoints in front of one node, in the order of preference."""
    async with AsyncExitStack() as stack:
        built = [await stack.enter_async_context(Relay(world.anvil.url)) for _ in range(count)]
        world.environ["RPC_URL"] = ",".join(relay.url for relay in built)
        yield built


async def fall_in_earnest(relay: Relay, ill: Ill) -> None:
    """So that the keeper notices: it asks which chain it is on when it connects.

    A nonce that is a lie it hears only where it has to ask for one: polls do not.
    """
    if ill is Ill.WRONG_CHAIN:
        await relay.fall(Ill.REFUSES)
        await asyncio.sleep(1)
        await relay.heal()
    await relay.fall(ill)
