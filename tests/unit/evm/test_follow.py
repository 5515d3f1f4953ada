"""Following a chain by subscription: every head and every stored price once, whatever happens to nodes and sockets."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from eth_hash.auto import keccak

from keeper.evm.chain import EvmChain
from keeper.evm.rpc import RpcPool
from keeper.evm.wire import ErrorAnswer
from tests.support.clock import LoopClock
from tests.support.listener import RecordingListener, Told
from tests.support.scripted_chain import CONTRACT, ChainNode, ScriptedChain, write
from tests.support.scripted_node import FakeSocketTransport, FakeTransport, Fault, ScriptedNode

pytestmark = pytest.mark.looptime

ACCOUNT = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
UNSUPPORTED = ErrorAnswer(-32601, "the method eth_subscribe does not exist")
A_MOMENT_S = 0.5
WATCHDOG_S = 12.0


@dataclass
class Bench:
    """A chain that is followed over one or several nodes."""

    chain: ScriptedChain
    nodes: list[ChainNode]
    sockets: list[FakeSocketTransport]
    listener: RecordingListener
    pool: RpcPool
    following: asyncio.Task[None]

    def lose(self, fault: Fault = Fault.NONE) -> None:
        """The first node's socket ends, and so on from now on."""
        self.nodes[0].fault = fault
        self.sockets[0].lose()

    def asserts_all_is_told(self) -> None:
        told = self.listener.chain[-64:]
        canonical = self.chain.blocks[-len(told) :]
        assert [(head.number, head.hash) for head in told] == [(block.number, block.hash) for block in canonical]
        assert self.listener.prices == self.chain.prices


@asynccontextmanager
async def followed(*, nodes: int = 1) -> AsyncIterator[Bench]:
    chain = ScriptedChain()
    chain.mine(blocks=100)
    served = [chain.node() for _ in range(nodes)]
    sockets = [FakeSocketTransport(name, node) for name, node in zip("abc", served, strict=False)]
    pool = RpcPool(sockets, clock=LoopClock())
    await pool.connect()
    listener = RecordingListener()
    following = asyncio.create_task(EvmChain(pool, contract=CONTRACT, account=ACCOUNT).follow(listener))
    await asyncio.sleep(A_MOMENT_S)
    yield Bench(chain, served, sockets, listener, pool, following)
    following.cancel()
    await asyncio.wait([following])
    await pool.close()


async def settle() -> None:
    await asyncio.sleep(A_MOMENT_S)


class TestLive:
    async def test_begins_with_the_newest_block(self) -> None:
        async with followed() as bench:
            assert bench.listener.live == [True]
            assert bench.listener.numbers == [100]

    async def test_tells_heads_and_prices_as_they_come(self) -> None:
        async with followed() as bench:
            bench.chain.mine(write(1), write(2))
            bench.chain.mine(write(3))
            await settle()
            assert bench.listener.numbers == [100, 101, 102]
            first, second = bench.chain.blocks[-2:]
            assert bench.listener.written == [
                Told((write(1), write(2)), 101, first.tx_hash),
                Told((write(3),), 102, second.tx_hash),
            ]
            bench.asserts_all_is_told()

    async def test_a_head_tells_all_that_fees_need(self) -> None:
        async with followed() as bench:
            head = bench.listener.heads[0]
            assert (head.base_fee, head.gas_limit, head.timestamp) == (7, 30_000_000, 1_700_000_100)

    async def test_costs_two_subscriptions_and_no_further_request_while_blocks_come(self) -> None:
        async with followed() as bench:
            before = bench.pool.calls()
            for _ in range(100):
                bench.chain.mine()
                await asyncio.sleep(2)
            assert bench.pool.calls() == before
            assert (before["eth_subscribe"], bench.pool.endpoints()[0].notifications) == (2, 100)

    async def test_prices_in_the_newest_block_are_told_at_the_start(self) -> None:
        chain = ScriptedChain()
        chain.mine(write(1))
        chain.mine(write(2))
        listener, socket = RecordingListener(), FakeSocketTransport("a", chain.node())
        pool = RpcPool([socket], clock=LoopClock())
        task = asyncio.create_task(EvmChain(pool, contract=CONTRACT, account=ACCOUNT).follow(listener))
        await settle()
        task.cancel()
        await pool.close()
        assert [told.writes for told in listener.written] == [(write(2),)]

    async def test_what_comes_twice_is_told_once(self) -> None:
        async with followed() as bench:
            bench.chain.mine(write(1))
            for node in bench.nodes:
                node.tell(bench.chain.blocks[-1])
            await settle()
            bench.asserts_all_is_told()
            assert (bench.listener.numbers, len(bench.listener.written)) == ([100, 101], 1)

    async def test_notifications_of_unknown_subscriptions_are_passed_over(self) -> None:
        async with followed() as bench:
            bench.nodes[0].notify("0xother", {"number": "0x1"})
            bench.chain.mine()
            await settle()
            assert bench.listener.live == [True]
            assert bench.listener.numbers == [100, 101]

    async def test_says_when_it_is_over(self) -> None:
        async with followed() as bench:
            pass
        assert bench.listener.live == [True, False]


class TestReorganisations:
    @pytest.mark.parametrize("depth", [1, 2, 5, 30])
    @pytest.mark.parametrize("tells_removed", [True, False])
    async def test_what_was_stored_in_blocks_that_are_gone_is_taken_back(
        self,
        depth: int,
        tells_removed: bool,  # noqa: FBT001
    ) -> None:
        async with followed() as bench:
            bench.nodes[0].tells_removed = tells_removed
            for number in range(30):
                bench.chain.mine(write(number))
            await settle()
            bench.chain.reorganise(depth, write(1000))
            await settle()
            bench.asserts_all_is_told()
            assert len(bench.listener.unwritten) == depth

    async def test_the_branch_begins_with_a_head_whose_parent_is_not_the_one_before(self) -> None:
        async with followed() as bench:
            bench.chain.mine(blocks=5)
            bench.chain.reorganise(3, growth=1)
            await settle()
            assert bench.listener.numbers == [*range(100, 106), 103, 104, 105, 106]
            breaks = [
                second.number
                for first, second in zip(bench.listener.heads, bench.listener.heads[1:], strict=False)
                if second.parent != first.hash
            ]
            assert breaks == [103]

    async def test_prices_of_the_branch_are_told_by_a_node_that_does_not_notify_of_them(self) -> None:
        async with followed() as bench:
            bench.chain.mine(write(1), blocks=3)
            await settle()
            bench.nodes[0].subscriptions = {
                each: kind for each, kind in bench.nodes[0].subscriptions.items() if kind == "newHeads"
            }
            bench.chain.reorganise(3, write(2))
            await settle()
            bench.asserts_all_is_told()

    async def test_a_branch_of_which_only_the_last_block_is_told_is_told_from_where_it_begins(self) -> None:
        async with followed() as bench:
            bench.chain.mine(blocks=20)
            await settle()
            bench.nodes[0].silent = True
            bench.chain.reorganise(15, write(1), growth=2)
            bench.nodes[0].silent = False
            bench.chain.mine()
            await settle()
            bench.asserts_all_is_told()


class TestLoss:
    async def test_what_was_missed_is_told_and_nothing_twice(self) -> None:
        async with followed() as bench:
            bench.chain.mine(write(1))
            await settle()
            bench.lose(Fault.REFUSES)
            bench.chain.mine(write(2), blocks=4)
            await asyncio.sleep(3)
            bench.nodes[0].fault = Fault.NONE
            await settle()
            bench.chain.mine(write(3))
            await settle()
            assert bench.listener.live == [True, False, True]
            assert bench.listener.numbers == list(range(100, 107))
            bench.asserts_all_is_told()

    async def test_it_is_live_again_a_moment_after_the_socket_was_lost(self) -> None:
        async with followed() as bench:
            await asyncio.sleep(60)
            bench.lose()
            assert bench.listener.live == [True]
            await asyncio.sleep(0.01)
            assert bench.listener.live == [True, False, True]

    async def test_a_reorganisation_that_was_missed_is_told(self) -> None:
        async with followed() as bench:
            for number in range(5):
                bench.chain.mine(write(number))
            await settle()
            bench.lose(Fault.REFUSES)
            await asyncio.sleep(0.01)
            bench.chain.reorganise(3, write(10), growth=2)
            bench.nodes[0].fault = Fault.NONE
            await settle()
            assert len(bench.listener.unwritten) == 3
            bench.asserts_all_is_told()

    async def test_of_a_long_gap_the_newest_heads_are_told(self) -> None:
        async with followed() as bench:
            bench.lose(Fault.REFUSES)
            bench.chain.mine(write(1), blocks=500)
            await asyncio.sleep(60)
            bench.nodes[0].fault = Fault.NONE
            await asyncio.sleep(5)
            assert bench.listener.numbers[1] == 600 - 64
            bench.asserts_all_is_told()

    async def test_a_node_that_refuses_so_many_events_is_followed_all_the_same(self) -> None:
        async with followed() as bench:
            bench.nodes[0].answers["eth_getLogs"] = ErrorAnswer(-32005, "query returned more than 10000 results")
            bench.lose()
            await settle()
            bench.chain.mine()
            await settle()
            assert (bench.listener.is_live, bench.listener.numbers) == (True, [100, 101])

    async def test_more_than_can_be_handled_is_asked_for_instead(self) -> None:
        async with followed() as bench:
            bench.chain.mine(*(write(number) for number in range(11_000)))
            await settle()
            assert bench.listener.live == [True, False, True]
            bench.asserts_all_is_told()

    async def test_a_subscription_that_was_left_is_ended(self) -> None:
        async with followed() as bench:
            bench.chain.mine(*(write(number) for number in range(11_000)))
            await settle()
            assert sorted(bench.nodes[0].subscriptions.values()) == ["logs", "newHeads"]

    async def test_a_node_that_tells_nonsense_is_left(self) -> None:
        async with followed(nodes=2) as bench:
            for subscription in bench.nodes[0].subscriptions:
                bench.nodes[0].notify(subscription, {"number": "0x65"})
            await settle()
            assert bench.nodes[1].subscriptions
            bench.chain.mine(write(1))
            await settle()
            bench.asserts_all_is_told()


class TestFailover:
    async def test_another_node_takes_over(self) -> None:
        async with followed(nodes=2) as bench:
            bench.lose(Fault.REFUSES)
            bench.chain.mine(write(1))
            await settle()
            assert bench.listener.live == [True, False, True]
            bench.chain.mine(write(2))
            await settle()
            bench.asserts_all_is_told()

    async def test_stays_where_it_is_when_the_first_is_back(self) -> None:
        async with followed(nodes=2) as bench:
            bench.lose(Fault.REFUSES)
            await settle()
            bench.nodes[0].fault = Fault.NONE
            await asyncio.sleep(600)
            assert bench.listener.live == [True, False, True]

    async def test_goes_from_one_to_the_other_as_often_as_need_be(self) -> None:
        async with followed(nodes=2) as bench:
            for number in range(20):
                at = number % 2
                bench.nodes[1 - at].fault = Fault.NONE
                bench.nodes[at].fault = Fault.REFUSES
                bench.sockets[at].lose()
                bench.chain.mine(write(number))
                await asyncio.sleep(15)
                bench.chain.mine()
            await settle()
            bench.asserts_all_is_told()

    async def test_is_not_live_while_no_node_is_there(self) -> None:
        async with followed(nodes=2) as bench:
            bench.nodes[1].fault = Fault.REFUSES
            bench.sockets[1].lose()
            bench.lose(Fault.REFUSES)
            await asyncio.sleep(60)
            assert bench.listener.live == [True, False]
            bench.chain.mine(write(1))
            bench.nodes[1].fault = Fault.NONE
            await asyncio.sleep(1)
            assert bench.listener.live == [True, False, True]
            bench.asserts_all_is_told()

    async def test_a_node_that_is_behind_is_left_for_one_that_is_not(self) -> None:
        async with followed(nodes=2) as bench:
            bench.nodes[0].behind = 10
            bench.nodes[0].silent = True
            bench.chain.mine(blocks=10)
            await asyncio.sleep(2 * WATCHDOG_S)
            assert bench.listener.newest == 110
            bench.asserts_all_is_told()

    async def test_one_that_offers_no_subscriptions_is_passed_over(self) -> None:
        async with followed(nodes=2) as bench:
            bench.nodes[1].answers["eth_subscribe"] = UNSUPPORTED
            bench.lose(Fault.REFUSES)
            await settle()
            assert bench.listener.live == [True, False]
            bench.nodes[0].fault = Fault.NONE
            await settle()
            assert bench.listener.live == [True, False, True]


class TestOffers:
    async def test_a_node_that_leads_to_another_chain_now_is_left(self) -> None:
        async with followed(nodes=2) as bench:
            bench.nodes[0].chain_id = 1
            bench.lose()
            await asyncio.sleep(30)
            assert bench.nodes[1].subscriptions
            assert [status.state for status in bench.pool.endpoints()] == ["wrong_chain", "healthy"]

    async def test_ends_at_once_where_no_endpoint_offers_subscriptions(self) -> None:
        listener = RecordingListener()
        pool = RpcPool([FakeTransport("a", ScriptedNode())], clock=LoopClock())
        await EvmChain(pool, contract=CONTRACT, account=ACCOUNT).follow(listener)
        assert listener.live == []

    async def test_ends_where_no_node_knows_the_method(self) -> None:
        listener = RecordingListener()
        node = ScriptedNode(answers={"eth_subscribe": UNSUPPORTED})
        pool = RpcPool([FakeSocketTransport("a", node)], clock=LoopClock())
        await EvmChain(pool, contract=CONTRACT, account=ACCOUNT).follow(listener)
        assert listener.live == []
        await pool.close()

    async def test_a_node_that_is_not_there_yet_is_waited_for(self) -> None:
        chain, listener = ScriptedChain(), RecordingListener()
        node = chain.node()
        node.fault = Fault.REFUSES
        pool = RpcPool([FakeSocketTransport("a", node)], clock=LoopClock())
        following = asyncio.create_task(EvmChain(pool, contract=CONTRACT, account=ACCOUNT).follow(listener))
        await asyncio.sleep(30)
        assert listener.live == []
        node.fault = Fault.NONE
        await asyncio.sleep(1)
        assert listener.live == [True]
        following.cancel()
        await pool.close()

    async def test_a_node_that_always_fails_to_subscribe_is_not_hammered(self) -> None:
        chain, listener = ScriptedChain(), RecordingListener()
        node = chain.node()
        node.answers["eth_subscribe"] = ErrorAnswer(-32603, "internal error")
        pool = RpcPool([FakeSocketTransport("a", node)], clock=LoopClock())
        following = asyncio.create_task(EvmChain(pool, contract=CONTRACT, account=ACCOUNT).follow(listener))
        await asyncio.sleep(600)
        assert node.methods()["eth_subscribe"] <= 2 * (600 / 30 + 10)
        following.cancel()
        await pool.close()


class TestWatchdog:
    async def test_blocks_that_are_not_told_end_the_subscription(self) -> None:
        async with followed(nodes=2) as bench:
            bench.nodes[0].silent = True
            bench.chain.mine(write(1))
            await asyncio.sleep(WATCHDOG_S)
            assert bench.listener.live == [True, False, True]
            assert bench.nodes[1].subscriptions
            bench.asserts_all_is_told()

    async def test_the_same_node_is_subscribed_to_again_where_there_is_no_other(self) -> None:
        async with followed() as bench:
            bench.nodes[0].silent = True
            bench.chain.mine(write(1))
            bench.nodes[0].silent = False
            await asyncio.sleep(WATCHDOG_S)
            assert bench.listener.live == [True, False, True]
            bench.asserts_all_is_told()

    async def test_a_chain_without_new_blocks_stays_live_and_is_asked_ever_less(self) -> None:
        async with followed() as bench:
            before = sum(bench.pool.calls().values())
            await asyncio.sleep(3600)
            assert bench.listener.live == [True]
            assert sum(bench.pool.calls().values()) - before <= 3600 / 120 + 5

    async def test_a_block_that_comes_while_it_looks_is_no_fault(self) -> None:
        async with followed() as bench:
            await asyncio.sleep(10 - A_MOMENT_S - 0.05)
            bench.nodes[0].silent = True
            bench.chain.mine()
            await asyncio.sleep(0.1)
            bench.nodes[0].silent = False
            bench.nodes[0].tell(bench.chain.blocks[-1])
            await asyncio.sleep(5)
            assert bench.listener.live == [True]
            bench.asserts_all_is_told()

    async def test_slow_chains_are_given_their_time(self) -> None:
        async with followed() as bench:
            for _ in range(50):
                bench.chain.mine()
                await asyncio.sleep(12)
            before = bench.pool.calls()
            for _ in range(20):
                await asyncio.sleep(13)
                bench.chain.mine()
            assert bench.pool.calls() == before

    async def test_a_node_that_does_not_even_say_is_left(self) -> None:
        async with followed(nodes=2) as bench:
            bench.nodes[0].fault = Fault.HANGS
            bench.nodes[0].silent = True
            bench.chain.mine(write(1))
            await asyncio.sleep(WATCHDOG_S + 5)
            assert bench.nodes[1].subscriptions
            bench.asserts_all_is_told()


def change_log(event: str, *, block: int, position: int = 0, removed: bool = False) -> dict[str, object]:
    return {
        "address": CONTRACT.lower(),
        "topics": ["0x" + keccak(event.encode()).hex()],
        "data": "0x",
        "logIndex": hex(position),
        "blockNumber": hex(block),
        "blockHash": "0x" + "ab" * 32,
        "transactionHash": "0x" + "cd" * 32,
        "removed": removed,
    }


class TestChanges:
    @pytest.mark.parametrize(
        "event",
        [
            "FeeSet(uint256,uint256)",
            "TransactionFeeSet(uint256,uint256)",
            "ValidPeriodSet(uint256,uint256)",
            "WormholeAddressSet(address,address)",
            "DataSourcesSet((uint16,bytes32)[],(uint16,bytes32)[])",
            "GovernanceDataSourceSet((uint16,bytes32),(uint16,bytes32),uint64)",
            "ContractUpgraded(address,address)",
            "Upgraded(address)",
            "Paused(address)",
            "Unpaused(address)",
        ],
    )
    async def test_a_change_of_the_contract_is_told_once(self, event: str) -> None:
        async with followed() as bench:
            (logs,) = [each for each, kind in bench.nodes[0].subscriptions.items() if kind == "logs"]
            for _ in range(2):
                bench.nodes[0].notify(logs, change_log(event, block=101))
            await settle()
            assert bench.listener.changes == [(event.partition("(")[0], 101)]

    async def test_what_is_taken_back_and_what_others_tell_is_no_change(self) -> None:
        async with followed() as bench:
            (logs,) = [each for each, kind in bench.nodes[0].subscriptions.items() if kind == "logs"]
            bench.nodes[0].notify(logs, change_log("FeeSet(uint256,uint256)", block=101, removed=True))
            bench.nodes[0].notify(logs, change_log("Transfer(address,address)", block=101))
            stranger = change_log("FeeSet(uint256,uint256)", block=101) | {"address": "0x" + "11" * 20}
            bench.nodes[0].notify(logs, stranger)
            await settle()
            assert bench.listener.changes == []
            assert bench.listener.is_live

    async def test_asks_for_changes_along_with_prices(self) -> None:
        async with followed() as bench:
            (asked,) = [
                params[1]
                for method, params in bench.nodes[0].requests
                if method == "eth_subscribe" and params[0] == "logs"
            ]
            (topics,) = asked["topics"]
            assert "0x" + keccak(b"FeeSet(uint256,uint256)").hex() in topics
