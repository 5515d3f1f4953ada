"""Following a real chain by WebSocket, through cuts, silence and reorganisations; a real contract stores the prices."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from itertools import count
from time import monotonic

import pytest
from eth_hash.auto import keccak

from keeper.domain.errors import Transient
from keeper.domain.units import FeedId
from keeper.evm.chain import EvmChain
from keeper.evm.rpc import READ_TIMEOUT_S, RpcPool, transport
from keeper.lab.anvil import DEV_ADDRESS, Anvil
from tests.support.clock import LoopClock
from tests.support.listener import RecordingListener
from tests.support.node import Node
from tests.support.proxy import FaultyProxy
from tests.support.pyth_contract import PythContract, Terms
from tests.support.updates import ADDRESSES, Envelope, Quote, build_update
from tests.support.waiting import PATIENCE_S, wait_until

BTC = FeedId("e62df6c8b4a85fe1a67db44dc12de5db330f7ac66b72dc658afedf0f4a415b43")
ETH = FeedId("ff61491a931112ddf1bd8147cd1b641375f79f5825126d665480874634fd0ace")
OURS = Envelope(signer_set=0)


@dataclass
class Bench:
    """A contract, and proxies to its node by which the chain is followed."""

    node: Node
    contract: PythContract
    proxies: list[FaultyProxy]
    pool: RpcPool
    chain: EvmChain
    listener: RecordingListener = field(default_factory=RecordingListener)
    times: Iterator[int] = field(default_factory=lambda: count(1_700_000_000))

    async def push(self, *feeds: FeedId) -> int:
        """Somebody stores new prices; returns their publish time."""
        publish_time = next(self.times)
        quotes = [Quote(feed_id=feed_id, price=publish_time, conf=7, publish_time=publish_time) for feed_id in feeds]
        await self.contract.update(build_update([quote.message() for quote in quotes], OURS))
        return publish_time

    async def told(self, publish_time: int) -> None:
        await wait_until(lambda: publish_time in [price.publish_time for price in self.listener.prices])

    async def live(self) -> None:
        await wait_until(lambda: self.listener.is_live)

    async def is_told_as_it_stands(self) -> None:
        """Heads are those of the chain without a gap, prices those of its logs, each once."""
        newest = int(await self.node.request("eth_blockNumber"), 16)
        await wait_until(lambda: self.listener.newest == newest)
        heads = self.listener.chain
        assert [head.number for head in heads] == list(range(heads[0].number, newest + 1))
        blocks = await self.node.batch("eth_getBlockByNumber", [(hex(head.number), False) for head in heads])
        assert ["0x" + head.hash.hex() for head in heads] == [block["hash"] for block in blocks]
        logs = await self.node.request(
            "eth_getLogs", {"address": self.contract.address, "fromBlock": hex(heads[0].number), "toBlock": "latest"}
        )
        stored = [log["topics"][1][2:] for log in logs if len(log["topics"]) == 2]
        await wait_until(lambda: len(self.listener.prices) >= len(stored))
        assert [price.feed_id for price in self.listener.prices] == stored


@pytest.fixture
async def bench(anvil: Anvil, node: Node) -> AsyncIterator[Bench]:
    """Followed by the first of two proxies; the other one stands by."""
    contract = await PythContract.deploy(node, Terms(signers=ADDRESSES[:1], quorum=1, fee=1))
    async with AsyncExitStack() as stack:
        proxies = [await stack.enter_async_context(FaultyProxy(anvil.port)) for _ in range(2)]
        transports = [transport(name, proxy.ws_url) for name, proxy in zip("ab", proxies, strict=True)]
        pool = RpcPool(transports, clock=LoopClock())
        stack.push_async_callback(pool.close)
        chain = EvmChain(pool, contract=contract.address, account=DEV_ADDRESS)
        await chain.connect()
        built = Bench(node, contract, proxies, pool, chain)
        following = asyncio.create_task(chain.follow(built.listener))
        await built.live()
        yield built
        following.cancel()
        await asyncio.wait([following])


async def test_tells_what_others_push(bench: Bench) -> None:
    await bench.told(await bench.push(BTC, ETH))
    await bench.told(await bench.push(BTC))
    await bench.is_told_as_it_stands()
    assert [len(told.writes) for told in bench.listener.written][-2:] == [2, 1]
    assert bench.listener.live == [True]


async def test_tells_that_the_contract_was_changed(bench: Bench) -> None:
    topic = keccak(b"FeeSet(uint256,uint256)").hex()
    await bench.node.request("anvil_setCode", bench.contract.address, f"0x7f{topic}60006000a100")
    assert (await bench.node.send(b"", to=bench.contract.address)).succeeded
    await wait_until(lambda: bench.listener.changes)
    assert [name for name, _ in bench.listener.changes] == ["FeeSet"]


async def test_tells_what_was_pushed_while_no_socket_was_there(bench: Bench) -> None:
    for proxy in bench.proxies:
        await proxy.stop()
    await wait_until(lambda: not bench.listener.is_live)
    missed = [await bench.push(BTC, ETH) for _ in range(5)]
    await bench.proxies[0].start()
    await bench.live()
    await bench.told(missed[-1])
    await bench.told(await bench.push(BTC))
    await bench.is_told_as_it_stands()
    assert bench.listener.live == [True, False, True]


async def test_another_endpoint_takes_over_when_the_socket_is_cut(bench: Bench) -> None:
    await bench.proxies[0].stop()
    await wait_until(lambda: bench.listener.live == [True, False, True])
    await bench.told(await bench.push(BTC))
    await bench.is_told_as_it_stands()


async def test_a_connection_that_fell_silent_is_left(bench: Bench) -> None:
    bench.proxies[0].fall_silent()
    missed = await bench.push(BTC)
    await wait_until(lambda: bench.listener.live == [True, False, True])
    await bench.told(missed)
    await bench.told(await bench.push(BTC))
    await bench.is_told_as_it_stands()


async def test_requests_do_not_wait_for_a_connection_that_fell_silent_twice(bench: Bench) -> None:
    bench.proxies[0].fall_silent()
    await bench.chain.mined_nonce()
    started = monotonic()
    for _ in range(3):
        await bench.chain.mined_nonce()
    assert monotonic() - started < 3 * READ_TIMEOUT_S
    bench.proxies[0].speak_again()
    await wait_until(lambda: bench.pool.endpoints()[0].healthy)


async def test_a_request_that_is_under_way_when_the_socket_is_cut_is_answered_all_the_same(bench: Bench) -> None:
    bench.proxies[0].fall_silent()
    asked = asyncio.create_task(bench.chain.mined_nonce())
    await wait_until(lambda: bench.proxies[0].held)
    await bench.proxies[0].cut()
    bench.proxies[0].speak_again()
    assert await asyncio.wait_for(asked, PATIENCE_S) > 0


@pytest.mark.parametrize("depth", [1, 3, 5])
async def test_a_reorganisation_takes_back_what_it_undid(bench: Bench, depth: int) -> None:
    for _ in range(6):
        await bench.told(await bench.push(BTC))
    await bench.node.request("anvil_reorg", depth, [])
    await wait_until(lambda: len(bench.listener.unwritten) == depth)
    await bench.is_told_as_it_stands()
    await bench.told(await bench.push(ETH))
    await bench.is_told_as_it_stands()


async def test_a_reorganisation_that_puts_a_push_into_another_block_takes_it_back_and_tells_it_anew(
    bench: Bench,
) -> None:
    await bench.told(await bench.push(BTC))
    latest = await bench.node.request("eth_getBlockByNumber", "latest", True)
    (sent,) = latest["transactions"]
    again = {name: sent[name] for name in ("from", "to", "value", "gas")} | {"data": sent["input"]}
    await bench.node.request("anvil_reorg", 1, [[again, 0]])
    await wait_until(lambda: len(bench.listener.unwritten) == 1)
    await wait_until(lambda: len(bench.listener.prices) == 1)
    await bench.is_told_as_it_stands()


async def test_a_reorganisation_that_was_missed_is_told(bench: Bench) -> None:
    for _ in range(4):
        await bench.told(await bench.push(BTC))
    for proxy in bench.proxies:
        await proxy.stop()
    await wait_until(lambda: not bench.listener.is_live)
    await bench.node.request("anvil_reorg", 3, [])
    await bench.push(ETH)
    await bench.proxies[1].start()
    await bench.live()
    await bench.is_told_as_it_stands()
    assert len(bench.listener.unwritten) == 3


async def test_a_chain_at_rest_stays_live(bench: Bench) -> None:
    before = bench.pool.calls()
    await wait_until(lambda: bench.pool.calls()["eth_blockNumber"] > before["eth_blockNumber"])
    asked = {method: calls - before.get(method, 0) for method, calls in bench.pool.calls().items()}
    assert {method for method, calls in asked.items() if calls} <= {"eth_blockNumber", "eth_chainId"}
    await bench.told(await bench.push(BTC))
    assert bench.listener.live == [True]


async def test_http_stands_in_while_the_websocket_is_away(anvil: Anvil, node: Node) -> None:
    contract = await PythContract.deploy(node, Terms(signers=ADDRESSES[:1], quorum=1, fee=1))
    listener = RecordingListener()
    async with FaultyProxy(anvil.port) as proxy:
        pool = RpcPool([transport("ws", proxy.ws_url), transport("http", anvil.url)], clock=LoopClock())
        chain = EvmChain(pool, contract=contract.address, account=DEV_ADDRESS)
        await chain.connect()
        following = asyncio.create_task(chain.follow(listener))
        await wait_until(lambda: listener.is_live)
        await proxy.stop()
        await wait_until(lambda: not listener.is_live)
        assert (await chain.read([BTC])).nonce == await chain.mined_nonce()
        await proxy.start()
        await wait_until(lambda: listener.is_live)
        await wait_until(lambda: pool.endpoints()[0].healthy)
        following.cancel()
        await asyncio.wait([following])
        await pool.close()


async def test_leaves_no_task_behind(anvil: Anvil) -> None:
    before = asyncio.all_tasks()
    async with FaultyProxy(anvil.port) as proxy:
        pool = RpcPool([transport("ws", proxy.ws_url)], clock=LoopClock())
        chain = EvmChain(pool, contract="0x" + "22" * 20, account=DEV_ADDRESS)
        listener = RecordingListener()
        following = asyncio.create_task(chain.follow(listener))
        await wait_until(lambda: listener.is_live)
        await proxy.stop()
        with pytest.raises(Transient):
            await chain.mined_nonce()
        following.cancel()
        await asyncio.wait([following])
        await pool.close()
    assert asyncio.all_tasks() == before
