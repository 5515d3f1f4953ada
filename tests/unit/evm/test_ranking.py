"""Which endpoint is asked first: health counts before the order in which they were given."""

import asyncio
from itertools import count

import pytest

from keeper.domain.status import EndpointState
from keeper.evm.rpc import LAG_LIMIT, RpcPool
from keeper.evm.wire import Call, ErrorAnswer
from tests.support.clock import LoopClock
from tests.support.pool import SEND, connected, read, reads
from tests.support.scripted_node import FakeTransport, Fault, ScriptedNode

pytestmark = pytest.mark.looptime

BLOCK = Call("eth_blockNumber")
A_WHILE_S = 30


async def favourite(pool: RpcPool) -> str:
    return (await pool.send(SEND)).endpoint


class TestLag:
    async def test_an_endpoint_that_is_too_many_blocks_behind_is_asked_last(self) -> None:
        nodes = [ScriptedNode(block=100 - LAG_LIMIT), ScriptedNode(block=100), ScriptedNode(block=100)]
        pool = await connected(*nodes)
        await pool.ask(BLOCK)
        assert await favourite(pool) == "b"
        status = pool.endpoints()[0]
        assert (status.state, status.lag_blocks, status.healthy) == (EndpointState.LAGGING, LAG_LIMIT, False)
        assert status.detail == f"it is {LAG_LIMIT} blocks behind others"

    async def test_fewer_blocks_are_nothing_to_speak_of(self) -> None:
        pool = await connected(ScriptedNode(block=101 - LAG_LIMIT), ScriptedNode(block=100))
        await pool.ask(BLOCK)
        assert await favourite(pool) == "a"

    async def test_it_is_still_better_than_none(self) -> None:
        nodes = [ScriptedNode(block=50), ScriptedNode(block=100)]
        pool = await connected(*nodes)
        await pool.ask(BLOCK)
        nodes[1].fault = Fault.REFUSES
        assert await favourite(pool) == "a"

    async def test_an_endpoint_that_has_caught_up_is_noticed_and_comes_first_again(self) -> None:
        nodes = [ScriptedNode(block=50), ScriptedNode(block=100)]
        pool = await connected(*nodes)
        await pool.ask(BLOCK)
        nodes[0].block = 101
        await asyncio.sleep(2.1)
        assert await favourite(pool) == "a"
        before = nodes[0].bodies
        await asyncio.sleep(3600)
        assert nodes[0].bodies == before

    async def test_an_endpoint_that_never_catches_up_is_asked_ever_less(self) -> None:
        nodes = [ScriptedNode(block=50), ScriptedNode(block=100)]
        pool = await connected(*nodes)
        await pool.ask(BLOCK)
        before = nodes[0].bodies
        await asyncio.sleep(24 * 3600)
        assert nodes[0].bodies - before <= 24 * 3600 / 30 + 50

    async def test_the_block_of_a_header_tells_it_as_well(self) -> None:
        nodes = [ScriptedNode(block=100), ScriptedNode(block=100)]
        nodes[0].answers["eth_getBlockByNumber"] = {"number": hex(90)}
        pool = await connected(*nodes)
        await pool.call("eth_getBlockByNumber", "latest", False)
        assert await favourite(pool) == "b"

    async def test_an_old_block_that_was_asked_for_tells_nothing(self) -> None:
        nodes = [ScriptedNode(block=100), ScriptedNode(block=100)]
        nodes[0].answers["eth_getBlockByNumber"] = {"number": "0x1"}
        pool = await connected(*nodes)
        await pool.call("eth_getBlockByNumber", "0x1", False)
        assert await favourite(pool) == "a"

    async def test_a_node_that_has_stood_still_is_found_out(self) -> None:
        """Nobody looks at the standby, until the same block has been told for too long."""
        nodes = [ScriptedNode(block=100), ScriptedNode(block=100)]
        pool = await connected(*nodes)
        for second in count(1):
            nodes[1].block = 100 + second
            await pool.ask(BLOCK)
            await asyncio.sleep(1)
            if await favourite(pool) == "b":
                break
        assert second <= 15
        assert pool.endpoints()[0].state is EndpointState.LAGGING

    async def test_a_chain_at_rest_costs_ever_fewer_looks_at_the_standby(self) -> None:
        nodes = [ScriptedNode(block=100), ScriptedNode(block=100)]
        pool = await connected(*nodes)
        before = nodes[1].bodies
        for _ in range(3600):
            await pool.ask(BLOCK)
            await asyncio.sleep(1)
        assert nodes[1].bodies - before <= 3600 / 160 + 5
        assert await favourite(pool) == "a"

    async def test_rare_reads_of_a_chain_that_moves_raise_no_suspicion(self) -> None:
        nodes = [ScriptedNode(block=100), ScriptedNode(block=100)]
        pool = await connected(*nodes)
        before = nodes[1].bodies
        for _ in range(100):
            await asyncio.sleep(300)
            nodes[0].block += 150
            await pool.ask(BLOCK)
        assert nodes[1].bodies == before


class SlowTransport(FakeTransport):
    """Takes its time."""

    delay_s = 0.0

    async def exchange(self, calls, *, timeout_s):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
        await asyncio.sleep(self.delay_s)
        return await super().exchange(calls, timeout_s=timeout_s)


class TestLatency:
    async def pool(self, *delays_s: float) -> tuple[RpcPool, list[SlowTransport], list[ScriptedNode]]:
        nodes = [ScriptedNode() for _ in delays_s]
        transports = [SlowTransport(name, node) for name, node in zip("abc", nodes, strict=False)]
        for transport, delay_s in zip(transports, delays_s, strict=True):
            transport.delay_s = delay_s
        pool = RpcPool(transports, clock=LoopClock())
        await pool.connect()
        return pool, transports, nodes

    async def test_an_endpoint_that_is_far_slower_than_another_is_asked_after_it(self) -> None:
        pool, _, _ = await self.pool(2, 0.05)
        for _ in range(10):
            await read(pool)
        assert await favourite(pool) == "b"
        assert pool.endpoints()[0].latency_s == pytest.approx(2, rel=0.5)

    async def test_when_all_are_slow_the_first_stays_first(self) -> None:
        pool, _, _ = await self.pool(2, 2)
        for _ in range(10):
            await read(pool)
        assert (await favourite(pool), reads(pool, "b")) == ("a", 0)

    async def test_a_standby_is_not_asked_for_its_speed_while_the_first_is_quick(self) -> None:
        pool, _, nodes = await self.pool(0.4, 0.01)
        before = nodes[1].bodies
        for _ in range(100):
            await read(pool)
        assert nodes[1].bodies == before


class TestFlakiness:
    async def test_an_endpoint_that_fails_half_of_its_requests_is_asked_after_one_that_does_not(self) -> None:
        nodes = [ScriptedNode(), ScriptedNode()]
        pool = await connected(*nodes)
        for _ in range(5):
            nodes[0].fault = Fault.BREAKS
            await read(pool)
            nodes[0].fault = Fault.NONE
            await asyncio.sleep(5)
            await read(pool)
        assert pool.endpoints()[0].state in {EndpointState.HEALTHY, EndpointState.HALF_OPEN}
        assert await favourite(pool) == "b"

    async def test_that_is_forgotten_in_time(self) -> None:
        nodes = [ScriptedNode(), ScriptedNode()]
        pool = await connected(*nodes)
        for _ in range(3):
            nodes[0].fault = Fault.BREAKS
            await read(pool)
            nodes[0].fault = Fault.NONE
            await asyncio.sleep(5)
        assert await favourite(pool) == "b"
        await asyncio.sleep(120)
        assert await favourite(pool) == "a"

    async def test_an_endpoint_that_says_what_nobody_understands_is_asked_after_one_that_answers(self) -> None:
        nodes = [
            ScriptedNode(answers={SEND.method: ErrorAnswer(-32603, "the moon is in the wrong house")}),
            ScriptedNode(),
        ]
        pool = await connected(*nodes)
        for _ in range(3):
            await pool.send(SEND)
        before = nodes[0].bodies
        assert await favourite(pool) == "b"
        assert nodes[0].bodies == before
