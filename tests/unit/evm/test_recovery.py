"""Endpoints that fail are probed in the background, and whoever waits is told when one is well."""

import asyncio

import pytest

from keeper.domain.errors import Throttled, Transient
from keeper.domain.status import EndpointState
from keeper.evm.rpc import RpcPool
from keeper.evm.wire import Call
from tests.support.clock import LoopClock
from tests.support.pool import CHAIN_ID, PROBE, SEND, connected, pool_of, read, reads
from tests.support.scripted_node import RETRY_AFTER_S, FakeSocketTransport, Fault, ScriptedNode

pytestmark = pytest.mark.looptime

BACK_WITHIN_S = 0.21


def now() -> float:
    return asyncio.get_running_loop().time()


async def broken(*nodes: ScriptedNode, fault: Fault = Fault.REFUSES) -> RpcPool:
    """A pool all of whose endpoints have just failed."""
    pool = await connected(*nodes)
    for node in nodes:
        node.fault = fault
    with pytest.raises(Transient):
        await read(pool)
    return pool


@pytest.mark.parametrize("outage_s", [0.1, 1, 20])
async def test_the_return_of_a_node_that_was_gone_is_noticed_at_once(outage_s: float) -> None:
    node = ScriptedNode()
    pool = await broken(node)
    waiting = asyncio.create_task(pool.recovered())
    await asyncio.sleep(outage_s)
    node.fault, back_at = Fault.NONE, now()
    await waiting
    assert now() - back_at <= BACK_WITHIN_S
    before = node.bodies
    assert (await pool.send(SEND)).endpoint == "a"
    assert node.bodies - before == 1


@pytest.mark.parametrize("fault", [Fault.BREAKS, Fault.LOCKS_OUT, Fault.BABBLES, Fault.CUTS])
async def test_the_return_of_a_node_that_did_not_answer_well_is_noticed_soon(fault: Fault) -> None:
    node = ScriptedNode()
    pool = await broken(node, fault=fault)
    await asyncio.sleep(20)
    node.fault, back_at = Fault.NONE, now()
    await pool.recovered()
    assert now() - back_at <= 2.2


async def test_the_return_of_a_node_that_hung_is_noticed_soon() -> None:
    node = ScriptedNode()
    pool = await broken(node, fault=Fault.HANGS)
    await asyncio.sleep(4)
    node.fault, back_at = Fault.NONE, now()
    await pool.recovered()
    assert now() - back_at <= 5


@pytest.mark.parametrize(("fault", "most"), [(Fault.REFUSES, 500), (Fault.BREAKS, 200)])
async def test_an_hour_of_outage_costs_a_bounded_number_of_probes(fault: Fault, most: int) -> None:
    node = ScriptedNode()
    pool = await broken(node, fault=fault)
    before = pool.calls()["eth_chainId"]
    await asyncio.sleep(600)
    first = pool.calls()["eth_chainId"] - before
    await asyncio.sleep(3000)
    assert first <= most
    assert pool.calls()["eth_chainId"] - before - first <= 3000 / 5


async def test_probes_end_when_the_endpoint_is_well() -> None:
    nodes = [ScriptedNode(), ScriptedNode()]
    pool = await connected(*nodes)
    nodes[0].fault = Fault.BREAKS
    await read(pool)
    nodes[0].fault = Fault.NONE
    await asyncio.sleep(1)
    before = [node.bodies for node in nodes]
    await asyncio.sleep(3600)
    assert [node.bodies for node in nodes] == before


async def test_a_failure_is_more_urgent_than_a_lag() -> None:
    nodes = [ScriptedNode(block=50), ScriptedNode(block=100)]
    pool = await connected(*nodes)
    await pool.ask(Call("eth_blockNumber"))
    await asyncio.sleep(600)
    nodes[1].fault = nodes[0].fault = Fault.REFUSES
    with pytest.raises(Transient):
        await read(pool)
    nodes[0].fault = Fault.NONE
    async with asyncio.timeout(BACK_WITHIN_S):
        await pool.recovered()


async def test_probes_end_with_the_pool() -> None:
    node = ScriptedNode()
    pool = await broken(node)
    await pool.close()
    before = pool.calls()["eth_chainId"]
    await asyncio.sleep(60)
    assert pool.calls()["eth_chainId"] == before


async def test_an_endpoint_on_trial_is_used_and_then_well() -> None:
    node = ScriptedNode()
    pool = await broken(node)
    assert pool.endpoints()[0].state is EndpointState.RESTING
    node.fault = Fault.NONE
    await pool.recovered()
    assert pool.endpoints()[0].state is EndpointState.HALF_OPEN
    await pool.send(SEND)
    assert pool.endpoints()[0].state is EndpointState.HEALTHY


async def test_a_node_that_answers_probes_and_nothing_else_is_not_hammered() -> None:
    node = ScriptedNode()
    pool = await connected(node)

    def fail(*_: object) -> None:
        node.fault = Fault.BREAKS

    node.answers[SEND.method] = fail
    tries = 0
    while now() < 60:
        node.fault = Fault.BREAKS
        with pytest.raises(Transient):
            await pool.send(SEND)
        tries += 1
        node.fault = Fault.NONE
        await pool.recovered()
    assert tries < 20


async def test_nobody_waits_while_an_endpoint_is_well() -> None:
    nodes = [ScriptedNode(), ScriptedNode()]
    pool = await connected(*nodes)
    nodes[0].fault = Fault.REFUSES
    await read(pool)
    started = now()
    await pool.recovered()
    assert now() == started


async def test_several_may_wait() -> None:
    node = ScriptedNode()
    pool = await broken(node)
    async with asyncio.TaskGroup() as group:
        for _ in range(3):
            group.create_task(pool.recovered())
        await asyncio.sleep(3)
        node.fault = Fault.NONE


async def test_the_first_of_many_to_return_is_enough() -> None:
    nodes = [ScriptedNode() for _ in range(5)]
    pool = await broken(*nodes)
    await asyncio.sleep(3)
    nodes[3].fault = Fault.NONE
    async with asyncio.timeout(BACK_WITHIN_S):
        await pool.recovered()
    assert (await pool.send(SEND)).endpoint == "d"


async def test_an_endpoint_that_asked_to_be_left_alone_is_waited_for() -> None:
    node = ScriptedNode()
    pool = await connected(node)
    node.fault = Fault.THROTTLES
    with pytest.raises(Throttled):
        await read(pool)
    node.fault, started = Fault.NONE, now()
    before = node.bodies
    await pool.recovered()
    assert now() - started == pytest.approx(RETRY_AFTER_S)
    assert node.bodies == before


async def test_an_endpoint_on_another_chain_is_not_what_was_waited_for() -> None:
    nodes = [ScriptedNode(), ScriptedNode(chain_id=1)]
    pool = await connected(*nodes)
    nodes[0].fault = Fault.REFUSES
    with pytest.raises(Transient):
        await read(pool)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(pool.recovered(), 10)


class TestSockets:
    async def pool(self, *nodes: ScriptedNode) -> tuple[RpcPool, list[FakeSocketTransport]]:
        transports = [FakeSocketTransport(name, node) for name, node in zip("ab", nodes, strict=False)]
        pool = RpcPool(transports, clock=LoopClock(), chain_id=CHAIN_ID)
        await pool.connect()
        return pool, transports

    async def test_a_socket_that_is_lost_is_opened_and_verified_again_before_it_is_needed(self) -> None:
        node = ScriptedNode()
        pool, (transport,) = await self.pool(node)
        transport.lose()
        await asyncio.sleep(BACK_WITHIN_S)
        assert (transport.connection, node.methods()["eth_chainId"]) == (2, 2)
        before = node.bodies
        await pool.send(SEND)
        assert node.bodies - before == 1

    async def test_every_new_socket_is_verified_before_anything_else_is_asked(self) -> None:
        node = ScriptedNode()
        pool, (transport,) = await self.pool(node)
        transport.lose()
        node.requests.clear()
        await pool.send(SEND)
        methods = [method for method, _ in node.requests]
        assert (set(methods[:-1]), methods[-1]) == (PROBE, SEND.method)

    async def test_a_socket_that_leads_elsewhere_now_is_not_used(self) -> None:
        nodes = [ScriptedNode(), ScriptedNode()]
        pool, transports = await self.pool(*nodes)
        nodes[0].chain_id = 1
        transports[0].lose()
        assert (await pool.send(SEND)).endpoint == "b"
        assert pool.endpoints()[0].state is EndpointState.WRONG_CHAIN

    async def test_a_lost_socket_is_no_failure(self) -> None:
        pool, (transport,) = await self.pool(ScriptedNode())
        transport.lose()
        assert pool.endpoints()[0].healthy

    async def test_sockets_that_are_lost_again_and_again_are_opened_more_slowly(self) -> None:
        node = ScriptedNode()
        _, (transport,) = await self.pool(node)
        for _ in range(3600):
            transport.lose()
            await asyncio.sleep(1)
        assert node.methods()["eth_chainId"] < 3600 / 5 + 10

    async def test_a_request_that_is_cut_is_repeated_over_a_new_socket(self) -> None:
        node = ScriptedNode()
        pool, (transport,) = await self.pool(node)
        node.fault, node.fault_messages = Fault.CUTS, node.bodies + 1
        assert await read(pool) == "0x5"
        assert transport.connection == 2
        assert reads(pool, "a") == 2


async def test_an_endpoint_that_was_never_there_is_probed_as_well() -> None:
    node = ScriptedNode(fault=Fault.REFUSES)
    pool = pool_of(node)
    with pytest.raises(Transient):
        await pool.connect()
    node.fault = Fault.NONE
    async with asyncio.timeout(BACK_WITHIN_S):
        await pool.recovered()
