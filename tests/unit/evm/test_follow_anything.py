"""Whatever becomes of the chain, the nodes and the sockets: in the end the listener has been told what stands."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import count
from typing import TypeAlias

import looptime
from hypothesis import example, given, settings
from hypothesis import strategies as st

from keeper.domain.transaction import FeedWrite
from keeper.evm.chain import EvmChain
from keeper.evm.rpc import RpcPool
from tests.support.clock import LoopClock
from tests.support.listener import RecordingListener
from tests.support.scripted_chain import CONTRACT, ScriptedChain, write
from tests.support.scripted_node import FakeSocketTransport, Fault

NODES = 2
DEEPEST = 6

Step: TypeAlias = tuple[str, int, int]

steps = st.lists(
    st.one_of(
        st.tuples(st.just("mine"), st.integers(1, 5), st.integers(0, 3)),
        st.tuples(st.just("reorganise"), st.integers(1, DEEPEST), st.integers(0, 3)),
        st.tuples(st.just("lose"), st.integers(0, NODES - 1), st.just(0)),
        st.tuples(st.just("refuse"), st.integers(0, NODES - 1), st.just(0)),
        st.tuples(st.just("silence"), st.integers(0, NODES - 1), st.just(0)),
        st.tuples(st.just("repeat"), st.integers(0, NODES - 1), st.integers(1, 3)),
        st.tuples(st.just("forget removals"), st.integers(0, NODES - 1), st.just(0)),
        st.tuples(st.just("heal"), st.just(0), st.just(0)),
        st.tuples(st.just("wait"), st.integers(0, 40), st.just(0)),
    ),
    max_size=30,
)


class World:
    """A chain, two nodes, and a listener."""

    def __init__(self) -> None:
        self.chain = ScriptedChain()
        self.chain.mine(blocks=20)
        self.nodes = [self.chain.node() for _ in range(NODES)]
        self.sockets = [FakeSocketTransport(name, node) for name, node in zip("ab", self.nodes, strict=True)]
        self.listener = RecordingListener()
        self._prices = count()

    async def take(self, step: Step) -> None:
        kind, at, many = step
        match kind:
            case "mine":
                self.chain.mine(*self._writes(many), blocks=at)
            case "reorganise":
                self.chain.reorganise(at, *self._writes(many))
            case "lose":
                self.sockets[at].lose()
            case "refuse":
                self.nodes[at].fault = Fault.REFUSES
                self.sockets[at].lose()
            case "silence":
                self.nodes[at].silent = True
            case "repeat":
                for block in self.chain.blocks[-many:]:
                    self.nodes[at].tell(block)
            case "forget removals":
                self.nodes[at].tells_removed = False
            case "heal":
                self.heal()
            case _:
                await asyncio.sleep(at)

    def heal(self) -> None:
        for node in self.nodes:
            node.fault, node.silent = Fault.NONE, False

    def _writes(self, many: int) -> list[FeedWrite]:
        return [write(next(self._prices)) for _ in range(many)]


async def play(taken: list[Step]) -> None:
    world = World()
    pool = RpcPool(world.sockets, clock=LoopClock())
    await pool.connect()
    chain = EvmChain(pool, contract=CONTRACT, account="0x" + "00" * 20)
    following = asyncio.create_task(chain.follow(world.listener))
    await asyncio.sleep(0.1)
    for step in taken:
        await world.take(step)
        await asyncio.sleep(0)
    world.heal()
    await asyncio.sleep(60)
    world.chain.mine()
    await asyncio.sleep(60)
    following.cancel()
    await asyncio.wait([following])
    await pool.close()
    told = [head.hash for head in world.listener.chain if head.number > 20]
    assert told == [block.hash for block in world.chain.blocks if block.number > 20]
    assert sorted(world.listener.prices) == sorted(world.chain.prices)


def run(main: Callable[[], Awaitable[None]]) -> None:
    """On a loop of its own, in virtual time."""
    loop = looptime.new_event_loop()
    try:
        loop.run_until_complete(main())
    finally:
        loop.close()


@settings(max_examples=150)
@example([("silence", 0, 0), ("reorganise", 2, 1), ("heal", 0, 0), ("repeat", 0, 2)])  # deeper than what was told
@given(steps)
def test_in_the_end_all_that_stands_is_told(taken: list[Step]) -> None:
    run(lambda: play(taken))
