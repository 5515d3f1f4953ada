"""What single checks make of what they see, without a network."""

import asyncio

import pytest

from keeper.app.chains import CHAINS
from keeper.app.preflight.amounts import amount
from keeper.app.preflight.finding import Finding, State, tried
from keeper.app.preflight.network import fee_style, runway
from keeper.app.preflight.rpc import EndpointsReport, check_endpoints
from keeper.app.preflight.source import judged
from keeper.domain.errors import Transient
from keeper.domain.fees import FeeMarket
from keeper.domain.price import Price
from keeper.domain.units import Gas, Wei
from keeper.ports import ChainState
from tests.support.clock import LoopClock
from tests.support.scripted_node import FakeTransport, Fault, ScriptedNode

pytestmark = pytest.mark.looptime

NOON = 1_700_000_000
ACCOUNT = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
COIN = 10**18


def price(value: int, *, age_s: int = 0) -> Price:
    return Price(value, 10, -8, NOON - age_s)


@pytest.mark.parametrize(
    ("seen", "state", "words"),
    [
        (price(6_500_012_345_678, age_s=2), State.OK, "65000.12345678, 2.0 s old"),
        (price(1, age_s=30), State.OK, "0.00000001, 30.0 s old"),
        (price(1, age_s=-5), State.OK, "0.00000001, 0.0 s old"),
        (price(1, age_s=31), State.WARN, "31.0 s old, is not pushed; fine if its market is closed"),
        (price(1, age_s=200_000), State.WARN, "2 d 7 h old"),
        (price(1, age_s=-6), State.WARN, "6.0 s in the future, is not pushed; check this machine's clock"),
        (price(0), State.FAIL, "makes no sense"),
        (price(-5), State.FAIL, "-0.00000005 makes no sense"),
    ],
)
def test_a_feed_is_judged_by_its_price_and_age(seen: Price, state: State, words: str) -> None:
    found, detail = judged(seen, NOON, too_old_s=30)
    assert found is state
    assert words in detail


def chain_state(base_fee: int | None) -> ChainState:
    return ChainState(
        block=1,
        balance=Wei(COIN),
        prices={},
        block_gas_limit=Gas(30_000_000),
        market=FeeMarket(None if base_fee is None else Wei(base_fee), Wei(1), Wei(1)),
        nonce=0,
    )


def test_fees_of_a_known_chain_are_held_against_what_the_node_tells() -> None:
    base, hyperevm = CHAINS[8453], CHAINS[999]
    (fine,) = fee_style(base, chain_state(7))
    assert (fine.state, fine.detail) == (State.OK, "eip1559 and a share of L1, as known of base")
    (odd,) = fee_style(base, chain_state(None))
    assert (odd.state, "tells no base fee" in odd.detail) == (State.WARN, True)
    assert fee_style(hyperevm, chain_state(None)) == fee_style(None, chain_state(7)) == []


@pytest.mark.parametrize(
    ("balance", "cost", "state", "words"),
    [
        (0, 100, State.FAIL, f"{ACCOUNT} holds nothing"),
        (0, None, State.FAIL, "holds nothing"),
        (99, 100, State.FAIL, "holds 99 wei, and one push costs 100 wei; top it up"),
        (99_999, 100, State.WARN, "enough for about 999 pushes of one feed; top it up soon"),
        (100_000, 100, State.OK, "enough for about 1,000 pushes of one feed"),
        (3 * COIN, None, State.OK, f"{ACCOUNT} holds 3 of the native coin"),
        (3 * COIN, 0, State.OK, f"{ACCOUNT} holds 3 of the native coin"),
    ],
)
def test_a_balance_is_judged_by_the_pushes_it_pays_for(
    balance: int, cost: int | None, state: State, words: str
) -> None:
    found, detail = runway(ACCOUNT, Wei(balance), None if cost is None else Wei(cost))
    assert found is state
    assert words in detail


@pytest.mark.parametrize(
    ("wei", "text"),
    [
        (1, "1 wei"),
        (10**9 - 1, "999999999 wei"),
        (10**9, "0.000000001 of the native coin"),
        (95_123_456_789_012, "0.00009512 of the native coin"),
        (10_000 * COIN, "10000 of the native coin"),
        (123_456_789 * COIN, "123500000 of the native coin"),
    ],
)
def test_amounts_are_rounded_and_written_out(wei: int, text: str) -> None:
    assert amount(Wei(wei)) == text


async def test_an_attempt_that_hangs_is_ended_and_found_wanting() -> None:
    loop = asyncio.get_running_loop()
    started = loop.time()
    assert await tried("it", asyncio.sleep(60), within_s=3) == Finding("it", State.FAIL, "no answer within 3 s")
    assert loop.time() - started == pytest.approx(3)


async def test_a_failure_is_found_in_its_own_words() -> None:
    async def failing() -> None:
        raise Transient("the node answers nonsense")

    assert await tried("it", failing(), within_s=3) == Finding("it", State.FAIL, "the node answers nonsense")


async def endpoints(*nodes: ScriptedNode) -> EndpointsReport:
    transports = [FakeTransport(f"node-{number}", node) for number, node in enumerate(nodes, start=1)]
    return await check_endpoints(transports, clock=LoopClock())


async def test_every_endpoint_is_found_on_its_chain() -> None:
    found = await endpoints(ScriptedNode(), ScriptedNode())
    assert [each.check for each in found.findings] == ["rpc node-1", "rpc node-2"]
    assert {each.state for each in found.findings} == {State.OK}
    assert "chain 31337" in found.findings[0].detail
    assert (found.chain_id, len(found.usable)) == (31337, 2)


async def test_an_endpoint_that_fails_beside_a_good_one_is_a_warning() -> None:
    found = await endpoints(ScriptedNode(fault=Fault.LOCKS_OUT), ScriptedNode())
    assert [each.state for each in found.findings] == [State.WARN, State.OK]
    assert found.findings[0].detail == "it refuses access (HTTP 401); other endpoints stand in for it"
    assert [each.name for each in found.usable] == ["node-2"]


async def test_endpoints_that_all_fail_are_failures() -> None:
    found = await endpoints(ScriptedNode(fault=Fault.REFUSES), ScriptedNode(fault=Fault.BABBLES))
    assert [each.state for each in found.findings] == [State.FAIL, State.FAIL]
    assert (found.chain_id, found.usable) == (None, ())


async def test_an_endpoint_of_another_chain_is_a_failure_and_not_used() -> None:
    found = await endpoints(ScriptedNode(chain_id=1), ScriptedNode(chain_id=10))
    assert [each.state for each in found.findings] == [State.OK, State.FAIL]
    assert "serves chain 10, and one before it 1" in found.findings[1].detail
    assert [each.name for each in found.usable] == ["node-1"]


async def test_endpoints_that_hang_take_no_longer_together_than_one_alone() -> None:
    loop = asyncio.get_running_loop()
    started = loop.time()
    found = await endpoints(*(ScriptedNode(fault=Fault.HANGS) for _ in range(5)))
    assert loop.time() - started == pytest.approx(4)
    assert {each.state for each in found.findings} == {State.FAIL}
