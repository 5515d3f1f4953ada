"""A real node behind endpoints that are ill in every way, alone and as the first of five."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from time import monotonic

import pytest

from keeper.domain.errors import KeeperError, Transient, Uncertain
from keeper.domain.fees import GasOffer
from keeper.domain.status import EndpointState
from keeper.domain.transaction import SignedTransaction, Transaction
from keeper.domain.units import Gas, Wei
from keeper.evm.chain import EvmChain
from keeper.evm.ledger import Outcome
from keeper.evm.rpc import SEND_TIMEOUT_S, RpcPool, transport
from keeper.lab.anvil import DEV_PRIVATE_KEY, Anvil
from keeper.signing.raw_key import RawKeySigner
from tests.support.clock import LoopClock
from tests.support.node import Node
from tests.support.relay import Ill, Relay
from tests.support.served_node import KEY
from tests.support.waiting import PATIENCE_S, wait_until

SIGNER = RawKeySigner(DEV_PRIVATE_KEY)
NO_CONTRACT = "0x" + "22" * 20
NAMES = ["one", "two", "three", "four", "five"]
SILENT = [Ill.REFUSES, Ill.HANGS, Ill.BREAKS, Ill.THROTTLES, Ill.WRONG_CHAIN]
"""These give no answers that could be used."""
SEND = "eth_sendRawTransaction"
PROBE = ["eth_chainId", "eth_blockNumber"]


async def signed_transfer(nonce: int) -> SignedTransaction:
    return await SIGNER.sign(
        Transaction(31337, nonce, GasOffer(Wei(10**10), Wei(10**9)), Gas(21_000), b"\x11" * 20, Wei(1), b"")
    )


class Endpoints:
    """Relays in front of one node, and the chain over them."""

    def __init__(self, relays: list[Relay], pool: RpcPool, chain: EvmChain) -> None:
        self.relays = relays
        self.first = relays[0]
        self.pool = pool
        self.chain = chain

    async def lands(self, nonce: int) -> str:
        """A transaction is broadcast and mined; who took it, or "?" where the answer was lost on the way."""
        signed = await signed_transfer(nonce)
        taken_by = "?"
        with suppress(Uncertain):
            taken_by = await self.chain.broadcast(signed)
        await wait_until(lambda: self._is_mined(signed))
        return taken_by

    async def _is_mined(self, signed: SignedTransaction) -> bool:
        return signed.hash in (await self.chain.look([signed.hash], with_block=True)).receipts


@asynccontextmanager
async def endpoints(anvil: Anvil, count: int, *, chain_id: int | None = 31337) -> AsyncIterator[Endpoints]:
    async with AsyncExitStack() as stack:
        relays = [await stack.enter_async_context(Relay(anvil.url)) for _ in range(count)]
        transports = [transport(name, relay.url) for name, relay in zip(NAMES, relays, strict=False)]
        pool = RpcPool(transports, clock=LoopClock(), chain_id=chain_id)
        stack.push_async_callback(pool.close)
        yield Endpoints(relays, pool, EvmChain(pool, contract=NO_CONTRACT, account=SIGNER.address))


@pytest.fixture
async def alone(anvil: Anvil) -> AsyncIterator[Endpoints]:
    async with endpoints(anvil, 1) as built:
        await built.chain.connect()
        yield built


@pytest.fixture
async def five(anvil: Anvil) -> AsyncIterator[Endpoints]:
    async with endpoints(anvil, 5) as built:
        await built.chain.connect()
        yield built


class TestAlone:
    @pytest.mark.parametrize("ill", [Ill.REFUSES, Ill.HANGS, Ill.BREAKS, Ill.THROTTLES])
    async def test_whoever_waits_is_told_when_it_is_well(self, alone: Endpoints, ill: Ill) -> None:
        await alone.first.fall(ill)
        with pytest.raises(Transient):
            await alone.chain.mined_nonce()
        waiting = asyncio.create_task(alone.chain.recovered())
        if ill in {Ill.HANGS, Ill.BREAKS}:
            asked = len(alone.first.requests)
            await wait_until(lambda: len(alone.first.requests) >= asked + 2 * len(PROBE))
            assert not waiting.done()
        await alone.first.heal()
        asked = len(alone.first.requests)
        await asyncio.wait_for(waiting, PATIENCE_S)
        assert alone.first.requests[asked:] in ([], PROBE), "the first probe is enough, and no more than that is asked"
        await alone.lands(0)

    async def test_one_that_leads_to_another_chain_is_not_used_until_that_is_mended(self, anvil: Anvil) -> None:
        async with endpoints(anvil, 1) as wrong:
            await wrong.first.fall(Ill.WRONG_CHAIN)
            with pytest.raises(KeeperError, match="serves chain 1, not 31337"):
                await wrong.chain.connect()
            with pytest.raises(KeeperError):
                await wrong.chain.broadcast(await signed_transfer(0))
            assert set(wrong.first.requests) == {"eth_chainId", "eth_blockNumber"}

    async def test_one_that_comes_back_on_another_chain_is_found_out_before_it_is_used(self, alone: Endpoints) -> None:
        await alone.first.fall(Ill.REFUSES)
        with pytest.raises(Transient):
            await alone.chain.mined_nonce()
        await alone.first.heal()
        await alone.first.fall(Ill.WRONG_CHAIN)
        await wait_until(lambda: alone.pool.endpoints()[0].state is EndpointState.WRONG_CHAIN)
        assert "eth_getTransactionCount" not in alone.first.requests

    async def test_one_that_swallows_transactions_is_of_use_again_when_it_does_not(self, alone: Endpoints) -> None:
        signed = await signed_transfer(0)
        await alone.first.fall(Ill.SWALLOWS)
        assert await alone.chain.broadcast(signed) == "one"
        assert (await alone.chain.look([signed.hash], with_block=False)).receipts == {}
        await alone.first.heal()
        assert await alone.lands(0) == "one"

    async def test_one_that_lies_about_the_nonce_is_believed_only_as_long_as_it_lies(self, alone: Endpoints) -> None:
        await alone.first.fall(Ill.LIES)
        assert await alone.chain.mined_nonces() == [10]
        await alone.first.heal()
        assert await alone.chain.mined_nonces() == [0]

    async def test_one_that_lags_is_all_there_is(self, alone: Endpoints, node: Node) -> None:
        await alone.first.fall(Ill.LAGS)
        await node.request("anvil_mine", "0x5")
        assert (await alone.chain.look([], with_block=True)).block == 0
        await alone.first.heal()
        assert (await alone.chain.look([], with_block=True)).block == 5


class TestFirstOfFive:
    @pytest.mark.parametrize("ill", SILENT)
    async def test_the_next_takes_over_within_the_same_call(self, five: Endpoints, ill: Ill) -> None:
        await five.first.fall(ill)
        await five.lands(0)
        assert (await five.chain.read([])).nonce == 1

    @pytest.mark.parametrize("ill", [Ill.REFUSES, Ill.HANGS, Ill.BREAKS, Ill.THROTTLES])
    async def test_it_costs_no_time_once_it_is_known(self, five: Endpoints, ill: Ill) -> None:
        await five.first.fall(ill)
        await five.chain.mined_nonce()
        started = monotonic()
        for nonce in range(3):
            assert await five.lands(nonce) == "two"
        assert monotonic() - started < 3 * SEND_TIMEOUT_S

    @pytest.mark.parametrize("ill", [Ill.REFUSES, Ill.HANGS, Ill.BREAKS, Ill.THROTTLES])
    async def test_it_is_the_first_again_when_it_is_well(self, five: Endpoints, ill: Ill) -> None:
        await five.first.fall(ill)
        await five.chain.mined_nonce()
        await five.first.heal()
        await wait_until(lambda: five.pool.endpoints()[0].state in {EndpointState.HALF_OPEN, EndpointState.HEALTHY})
        assert await five.lands(0) == "one"

    @pytest.mark.parametrize("ill", [Ill.REFUSES, Ill.HANGS, Ill.BREAKS, Ill.THROTTLES, Ill.SWALLOWS])
    async def test_a_broadcast_everywhere_is_not_held_up(self, five: Endpoints, node: Node, ill: Ill) -> None:
        await node.request("evm_setAutomine", False)  # else those that are asked later find the nonce used
        await five.first.fall(ill)
        await five.chain.broadcast(await signed_transfer(0), everywhere=True)
        sent = {(each.endpoint, each.outcome) for each in five.pool.ledger.requests() if each.method == SEND}
        assert ill is not Ill.HANGS or ("one", Outcome.UNCERTAIN) not in sent, "its deadline was waited for"
        await node.request("anvil_mine", "0x1")
        await wait_until(lambda: _is_used(node, 0))

    async def test_what_it_has_swallowed_lands_by_the_others(self, five: Endpoints, node: Node) -> None:
        signed = await signed_transfer(0)
        await five.first.fall(Ill.SWALLOWS)
        assert await five.chain.broadcast(signed) == "one"
        await five.chain.broadcast(signed, everywhere=True)
        await wait_until(lambda: _is_used(node, 0))

    async def test_its_lie_about_the_nonce_stands_against_another_word(self, five: Endpoints) -> None:
        await five.first.fall(Ill.LIES)
        assert await five.chain.mined_nonces() == [10, 0]

    async def test_that_it_lags_is_known_from_the_start(self, anvil: Anvil, node: Node) -> None:
        async with endpoints(anvil, 5) as five:
            await five.first.fall(Ill.LAGS)
            await node.request("anvil_mine", "0x5")
            await five.chain.connect()
            await five.chain.look([], with_block=True)
            assert (await five.chain.look([], with_block=True)).block == 5
            assert await five.lands(0) == "two"

    async def test_that_it_has_stood_still_is_found_out(self, five: Endpoints, node: Node) -> None:
        async def mine_and_look() -> int | None:
            await node.request("anvil_mine", "0x1")
            await asyncio.sleep(0.1)
            return (await five.chain.look([], with_block=True)).block

        for _ in range(10):
            await mine_and_look()
        await five.first.fall(Ill.LAGS)

        async def is_found_out() -> bool:
            await mine_and_look()
            return five.pool.endpoints()[0].state is EndpointState.LAGGING

        await wait_until(is_found_out)
        assert await mine_and_look() == int(await node.request("eth_blockNumber"), 16)
        await five.first.heal()
        await wait_until(lambda: five.pool.endpoints()[0].healthy)

    @pytest.mark.parametrize("ill", [ill for ill in Ill if ill is not Ill.NOTHING])
    async def test_no_message_holds_the_key_of_its_url(self, five: Endpoints, ill: Ill) -> None:
        await five.first.fall(ill)
        with suppress(Uncertain):
            await five.chain.broadcast(await signed_transfer(0))
        await five.chain.read([])
        assert KEY not in f"{five.pool.endpoints()} {five.pool.ledger.requests()}"


async def _is_used(node: Node, nonce: int) -> bool:
    return int(await node.request("eth_getTransactionCount", SIGNER.address, "latest"), 16) > nonce


async def test_all_of_five_down_and_back(five: Endpoints) -> None:
    for relay in five.relays:
        await relay.fall(Ill.REFUSES)
    with pytest.raises(Transient):
        await five.chain.broadcast(await signed_transfer(0))
    assert {status.state for status in five.pool.endpoints()} == {EndpointState.RESTING}
    waiting = asyncio.create_task(five.chain.recovered())
    probes = five.pool.calls()["eth_chainId"]
    await wait_until(lambda: five.pool.calls()["eth_chainId"] >= probes + 2 * len(five.relays))
    assert not waiting.done()
    await five.relays[3].heal()
    await asyncio.wait_for(waiting, PATIENCE_S)
    assert await five.lands(0) == "four"


async def test_endpoints_that_are_well_are_left_alone(five: Endpoints) -> None:
    await five.lands(0)
    before = [len(relay.requests) for relay in five.relays]
    await asyncio.sleep(2)
    assert [len(relay.requests) for relay in five.relays] == before
    assert all(set(relay.requests) == {"eth_chainId", "eth_blockNumber"} for relay in five.relays[1:])


async def test_a_broadcast_is_one_request_to_each_endpoint_used(five: Endpoints) -> None:
    await five.chain.broadcast(await signed_transfer(0))
    assert [relay.requests.count(SEND) for relay in five.relays] == [1, 0, 0, 0, 0]
    await five.chain.broadcast(await signed_transfer(1), everywhere=True)
    await wait_until(lambda: [relay.requests.count(SEND) for relay in five.relays] == [2, 1, 1, 1, 1])
