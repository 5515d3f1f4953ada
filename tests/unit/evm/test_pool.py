"""The pool: which endpoint is asked, which answer counts, what is remembered of failures."""

import asyncio

import pytest

from keeper.domain.errors import Fatal, Throttled, Transient, Uncertain
from keeper.domain.status import EndpointState
from keeper.evm.ledger import Account, Outcome
from keeper.evm.rpc import MAX_BATCH, READ_TIMEOUT_S, SEND_TIMEOUT_S
from keeper.evm.wire import Call, ErrorAnswer
from tests.support.pool import CHAIN_ID, LONGEST_PAUSE_S, PROBE, READ, SEND, connected, pool_of, read, reads
from tests.support.scripted_node import RETRY_AFTER_S, Fault, ScriptedNode

pytestmark = pytest.mark.looptime

FAILURES = [fault for fault in Fault if fault not in {Fault.NONE, Fault.REFUSES_BATCHES}]
NOBODY_KNOWS = ErrorAnswer(-32603, "the moon is in the wrong house")
BUSY = ErrorAnswer(-32005, "rate limit exceeded")


async def test_asks_the_first_endpoint_alone_while_it_is_well() -> None:
    nodes = [ScriptedNode(), ScriptedNode()]
    pool = await connected(*nodes)
    assert [await read(pool) for _ in range(3)] == ["0x5"] * 3
    assert (reads(pool, "a"), reads(pool, "b")) == (3, 0)


async def test_a_broadcast_is_one_request() -> None:
    node = ScriptedNode()
    pool = await connected(node)
    before = node.bodies
    answer = await pool.send(SEND)
    assert (answer.endpoint, answer.in_doubt, node.bodies - before) == ("a", False, 1)


async def test_an_endpoint_whose_connection_was_cut_is_asked_once_more() -> None:
    nodes = [ScriptedNode(), ScriptedNode()]
    pool = await connected(*nodes)
    nodes[0].fault, nodes[0].fault_messages = Fault.CUTS, nodes[0].bodies + 1
    assert await read(pool) == "0x5"
    assert (reads(pool, "a"), reads(pool, "b")) == (2, 0)


async def test_a_broadcast_that_was_cut_is_in_doubt_even_when_it_is_answered_then() -> None:
    node = ScriptedNode()
    pool = await connected(node)
    node.fault, node.fault_messages = Fault.CUTS, node.bodies + 1
    answer = await pool.send(SEND)
    assert (answer.endpoint, answer.in_doubt) == ("a", True)


@pytest.mark.parametrize("fault", FAILURES)
async def test_the_next_endpoint_answers_within_the_same_call(fault: Fault) -> None:
    nodes = [ScriptedNode(), ScriptedNode()]
    pool = await connected(*nodes)
    nodes[0].fault = fault
    assert await read(pool) == "0x5"
    assert (await pool.send(SEND)).endpoint == "b"


@pytest.mark.parametrize("said", ["execution reverted", "nonce too low", "the method eth_x does not exist"])
async def test_a_verdict_is_not_asked_of_another_endpoint(said: str) -> None:
    nodes = [ScriptedNode(answers={READ: ErrorAnswer(-32000, said)}), ScriptedNode()]
    pool = await connected(*nodes)
    with pytest.raises(Transient, match=said):
        await read(pool)
    assert (reads(pool, "a"), reads(pool, "b")) == (1, 0)


async def test_an_error_that_nobody_knows_is_asked_of_the_next_endpoint() -> None:
    nodes = [ScriptedNode(answers={READ: NOBODY_KNOWS}), ScriptedNode()]
    pool = await connected(*nodes)
    assert await read(pool) == "0x5"
    assert pool.endpoints()[0].healthy


async def test_an_error_that_nobody_knows_is_the_answer_when_no_endpoint_has_a_better_one() -> None:
    nodes = [ScriptedNode(answers={READ: NOBODY_KNOWS}), ScriptedNode()]
    pool = await connected(*nodes)
    nodes[1].fault = Fault.REFUSES
    with pytest.raises(Transient, match="the moon"):
        await read(pool)


async def test_an_endpoint_that_failed_is_not_asked_until_it_answers_a_probe() -> None:
    nodes = [ScriptedNode(), ScriptedNode()]
    pool = await connected(*nodes)
    nodes[0].fault = Fault.BREAKS
    await read(pool)
    await asyncio.sleep(10)
    await read(pool)
    assert (await pool.send(SEND)).endpoint == "b"
    nodes[0].fault = Fault.NONE
    await asyncio.sleep(LONGEST_PAUSE_S)
    assert (await pool.send(SEND)).endpoint == "a"
    assert (reads(pool, "a"), reads(pool, "b")) == (1, 2)


async def test_a_well_pool_makes_no_request_of_its_own() -> None:
    nodes = [ScriptedNode(), ScriptedNode()]
    pool = await connected(*nodes)
    await read(pool)
    before = [node.bodies for node in nodes]
    await asyncio.sleep(24 * 3600)
    assert [node.bodies for node in nodes] == before


async def test_all_endpoints_are_used_when_all_are_down() -> None:
    nodes = [ScriptedNode(), ScriptedNode()]
    pool = await connected(*nodes)
    for node in nodes:
        node.fault = Fault.REFUSES
    with pytest.raises(Transient):
        await read(pool)
    nodes[1].fault = Fault.NONE
    assert await read(pool) == "0x5"
    assert (await pool.send(SEND)).endpoint == "b"


@pytest.mark.parametrize("sends", [False, True])
async def test_every_request_has_a_deadline(sends: bool) -> None:  # noqa: FBT001
    nodes = [ScriptedNode(), ScriptedNode()]
    pool = await connected(*nodes)
    nodes[0].fault = Fault.HANGS
    started = asyncio.get_running_loop().time()
    await (pool.send(SEND) if sends else read(pool))
    took = asyncio.get_running_loop().time() - started
    assert took == pytest.approx(SEND_TIMEOUT_S if sends else READ_TIMEOUT_S)


class TestThrottling:
    @pytest.mark.parametrize("by_error_text", [False, True])
    async def test_an_endpoint_is_left_alone_as_long_as_it_asks_for(self, by_error_text: bool) -> None:  # noqa: FBT001
        nodes = [ScriptedNode(), ScriptedNode()]
        pool = await connected(*nodes)
        if by_error_text:
            nodes[0].answers[READ] = BUSY
        else:
            nodes[0].fault = Fault.THROTTLES
        await read(pool)
        nodes[0].fault = Fault.NONE
        nodes[0].answers.clear()
        asked = reads(pool, "a")
        await read(pool)
        assert reads(pool, "a") == asked
        await asyncio.sleep(1 if by_error_text else RETRY_AFTER_S)
        await read(pool)
        assert reads(pool, "a") == asked + 1

    async def test_it_is_no_ill_health(self) -> None:
        nodes = [ScriptedNode(), ScriptedNode()]
        pool = await connected(*nodes)
        nodes[0].fault = Fault.THROTTLES
        await read(pool)
        status = pool.endpoints()[0]
        assert (status.state, status.healthy) == (EndpointState.THROTTLED, True)
        assert "slow down" in status.detail

    async def test_nobody_is_asked_while_all_want_to_be_left_alone(self) -> None:
        node = ScriptedNode()
        pool = await connected(node)
        node.fault = Fault.THROTTLES
        with pytest.raises(Throttled):
            await read(pool)
        node.fault = Fault.NONE
        await asyncio.sleep(2)
        with pytest.raises(Throttled) as refused:
            await pool.send(SEND)
        assert refused.value.retry_after_s == pytest.approx(RETRY_AFTER_S - 2)
        assert node.methods()["eth_sendRawTransaction"] == 0


class TestDoubt:
    @pytest.mark.parametrize("fault", [Fault.CUTS, Fault.HANGS, Fault.BREAKS, Fault.BABBLES])
    async def test_a_broadcast_that_may_have_arrived_is_uncertain(self, fault: Fault) -> None:
        nodes = [ScriptedNode(), ScriptedNode()]
        pool = await connected(*nodes)
        nodes[0].fault, nodes[1].fault = Fault.REFUSES, fault
        with pytest.raises(Uncertain):
            await pool.send(SEND)

    async def test_one_that_has_reached_nobody_is_not(self) -> None:
        nodes = [ScriptedNode(), ScriptedNode()]
        pool = await connected(*nodes)
        nodes[0].fault, nodes[1].fault = Fault.REFUSES, Fault.THROTTLES
        with pytest.raises(Transient) as failed:
            await pool.send(SEND)
        assert not isinstance(failed.value, Uncertain)

    async def test_no_doubt_arises_from_the_question_for_the_chain(self) -> None:
        pool = pool_of(ScriptedNode(fault=Fault.CUTS))
        with pytest.raises(Transient) as failed:
            await pool.send(SEND)
        assert not isinstance(failed.value, Uncertain)

    @pytest.mark.parametrize("puzzled", [False, True])
    async def test_a_later_answer_tells_that_an_earlier_endpoint_may_have_it_too(self, puzzled: bool) -> None:  # noqa: FBT001
        nodes = [ScriptedNode(), ScriptedNode()]
        pool = await connected(*nodes)
        if puzzled:
            nodes[0].answers[SEND.method] = NOBODY_KNOWS
        else:
            nodes[0].fault = Fault.CUTS
        answer = await pool.send(SEND)
        assert (answer.endpoint, answer.in_doubt) == ("b", True)


class TestChainId:
    async def test_each_endpoint_is_asked_once(self) -> None:
        nodes = [ScriptedNode(), ScriptedNode()]
        pool = await connected(*nodes)
        await read(pool)
        await pool.send(SEND)
        assert [node.methods()["eth_chainId"] for node in nodes] == [1, 1]

    async def test_the_first_endpoint_that_answers_decides_where_none_is_given(self) -> None:
        pool = pool_of(
            ScriptedNode(fault=Fault.REFUSES), ScriptedNode(chain_id=5), ScriptedNode(chain_id=6), chain_id=None
        )
        assert await pool.connect() == 5
        assert (await pool.send(SEND)).endpoint == "b"

    async def test_an_endpoint_of_another_chain_is_never_used(self) -> None:
        nodes = [ScriptedNode(chain_id=1), ScriptedNode()]
        pool = await connected(*nodes)
        nodes[1].fault = Fault.REFUSES
        with pytest.raises(Transient):
            await read(pool)
        with pytest.raises(Transient):
            await pool.send(SEND)
        assert nodes[0].methods().keys() == PROBE
        status = pool.endpoints()[0]
        assert (status.state, status.healthy) == (EndpointState.WRONG_CHAIN, False)
        assert "chain 1, not 31337" in status.detail

    async def test_an_endpoint_of_another_chain_is_asked_now_and_then_whether_that_was_mended(self) -> None:
        nodes = [ScriptedNode(chain_id=1), ScriptedNode()]
        pool = await connected(*nodes)
        await asyncio.sleep(600)
        assert 10 <= nodes[0].bodies <= 30
        nodes[0].chain_id = CHAIN_ID
        await asyncio.sleep(60)
        assert (await pool.send(SEND)).endpoint == "a"
        before = nodes[0].bodies
        await asyncio.sleep(600)
        assert nodes[0].bodies == before

    async def test_it_is_verified_again_after_every_failure(self) -> None:
        nodes = [ScriptedNode(), ScriptedNode()]
        pool = await connected(*nodes)
        nodes[0].fault = Fault.REFUSES
        await read(pool)
        nodes[0].fault, nodes[0].chain_id = Fault.NONE, 1
        await asyncio.sleep(LONGEST_PAUSE_S)
        assert pool.endpoints()[0].state is EndpointState.WRONG_CHAIN
        await pool.send(SEND)
        assert nodes[0].methods().keys() == PROBE

    async def test_it_is_fatal_when_all_endpoints_serve_others(self) -> None:
        with pytest.raises(Fatal, match="a: it serves chain 1, not 31337"):
            await connected(ScriptedNode(chain_id=1), ScriptedNode(chain_id=2))

    async def test_an_endpoint_that_was_away_is_checked_before_its_first_use(self) -> None:
        nodes = [ScriptedNode(fault=Fault.REFUSES), ScriptedNode()]
        pool = await connected(*nodes)
        nodes[0].fault, nodes[0].chain_id = Fault.NONE, 1
        await read(pool)
        await asyncio.sleep(LONGEST_PAUSE_S)
        await read(pool)
        assert nodes[0].methods().keys() == PROBE
        assert (reads(pool, "a"), reads(pool, "b")) == (0, 2)

    async def test_it_becomes_fatal_when_the_only_endpoint_turns_out_to_serve_another(self) -> None:
        with pytest.raises(Fatal, match="chain 31337"):
            await read(pool_of(ScriptedNode(chain_id=1)))

    async def test_connecting_fails_for_now_when_nobody_answers(self) -> None:
        pool = pool_of(ScriptedNode(fault=Fault.REFUSES), ScriptedNode(answers={"eth_chainId": NOBODY_KNOWS}))
        with pytest.raises(Transient, match=r"a: cannot connect.*; b: .*the moon"):
            await pool.connect()


async def test_many_calls_are_asked_in_batches() -> None:
    node = ScriptedNode()
    pool = await connected(node)
    before = node.bodies
    responses = await pool.ask(*(Call(READ, (hex(number),)) for number in range(2 * MAX_BATCH + 1)))
    assert [response.result for response in responses] == [hex(number) for number in range(2 * MAX_BATCH + 1)]
    assert node.bodies - before == 3


async def test_every_request_is_accounted_for() -> None:
    nodes = [ScriptedNode(), ScriptedNode(answers={SEND.method: ErrorAnswer(-32000, "nonce too low")})]
    pool = await connected(*nodes)
    for fault in (Fault.BABBLES, Fault.REFUSES, Fault.THROTTLES):
        nodes[0].fault = fault
        await read(pool)
        nodes[0].fault = Fault.NONE
        await asyncio.sleep(100)
    nodes[0].fault = Fault.THROTTLES
    await read(pool)
    await pool.send(SEND)
    requests = {account: count for account, count in pool.ledger.requests().items() if account.method not in PROBE}
    assert requests == {
        Account(READ, "a", Outcome.UNCERTAIN): 1,
        Account(READ, "a", Outcome.UNREACHED): 1,
        Account(READ, "a", Outcome.THROTTLED): 2,
        Account(READ, "b", Outcome.OK): 4,
        Account(SEND.method, "b", Outcome.ERROR): 1,
    }
    assert (pool.calls()[READ], pool.calls()[SEND.method]) == (8, 1)


async def test_the_time_of_requests_is_accounted_for() -> None:
    nodes = [ScriptedNode(), ScriptedNode()]
    pool = await connected(*nodes)
    nodes[0].fault = Fault.HANGS
    await read(pool)
    times = pool.endpoints()[0].request_times["uncertain"]
    assert times.total_s == pytest.approx(READ_TIMEOUT_S)
    assert [count for count in times.counts if count] == [1]
    assert pool.endpoints()[1].request_times.keys() == {"ok", "error", "throttled", "unreached", "uncertain"}
    assert sum(pool.endpoints()[1].request_times["uncertain"].counts) == 0


async def test_tells_what_is_wrong_with_each_endpoint() -> None:
    nodes = [ScriptedNode(), ScriptedNode()]
    pool = await connected(*nodes)
    assert [(status.name, status.state, status.detail) for status in pool.endpoints()] == [
        ("a", EndpointState.HEALTHY, ""),
        ("b", EndpointState.HEALTHY, ""),
    ]
    nodes[0].fault, nodes[1].fault = Fault.HANGS, Fault.LOCKS_OUT
    with pytest.raises(Uncertain, match=r"a: no answer within 5 s; b: it refuses access"):
        await read(pool)
    assert [status.state for status in pool.endpoints()] == [EndpointState.RESTING] * 2
    assert pool.endpoints()[0].detail == "no answer within 5 s"
