"""Whatever nodes, mempool, chain, rivals and our own process do: nothing twice, nothing lost, never stuck."""

import asyncio
from dataclasses import dataclass, replace

import looptime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keeper.domain.transaction import Rules
from tests.support.engine_faults import Step, scripts, take
from tests.support.engine_world import World
from tests.support.hostile_chain import PLENTY, HostileChain
from tests.unit.pipeline.conftest import CONFIG, SUBMIT

SETTLED_WITHIN_S = 700
"""After the last fault: a backoff of five minutes may just have begun."""
NEVER = 2**63
"""So many blocks nobody waits for."""
MOST_REQUESTS_A_SECOND = 250
"""Eight pushes may be looked for at once, each two dozen times in its first second."""


@dataclass(frozen=True)
class Setup:
    """A way to run the keeper."""

    block_time_s: float
    max_in_flight: int
    outbids: bool
    subscribable: bool
    retries: int

    def world(self) -> World:
        rules = Rules(
            retries=self.retries,
            replace_after_blocks=2 if self.outbids else NEVER,
            resend_doubtful_s=1.0,
            resend_held_s=15.0,
            confirmations=8,
        )
        config = replace(
            CONFIG,
            submit=replace(SUBMIT, rules=rules, retry_delay_s=1.0, outbids=self.outbids),
            max_in_flight=self.max_in_flight,
            debounce_s=0.5,
            poll_interval_s=30.0,
        )
        chain = HostileChain(
            subscribable=self.subscribable, balance=PLENTY, most_requests_a_second=MOST_REQUESTS_A_SECOND
        )
        return World(config, chain, block_time_s=self.block_time_s)


setups = st.builds(
    Setup,
    block_time_s=st.sampled_from([0.25, 2.0, 12.0]),
    max_in_flight=st.sampled_from([1, 1, 3]),
    outbids=st.sampled_from([True, True, False]),
    subscribable=st.booleans(),
    retries=st.sampled_from([0, 3]),
)


async def play(setup: Setup, script: list[Step]) -> None:
    async with setup.world() as world:
        await world.pass_time(1)
        for step in script:
            await take(world, step)
        world.heal()
        world.publish(F1=world.prices["F1"] * 2)
        await world.converge(within_s=SETTLED_WITHIN_S)
        await asyncio.sleep(120 + 20 * setup.block_time_s)
        world.check_books()
        if not world.crashes:
            status = world.network.status()
            assert status.spent_gas + status.spent_update_fees == world.spent_on_chain()


def run(setup: Setup, script: list[Step]) -> None:
    """On a loop of its own, in virtual time."""
    loop = looptime.new_event_loop()
    try:
        loop.run_until_complete(play(setup, script))
    finally:
        loop.close()


@settings(max_examples=40)
@given(setups, scripts)
def test_nothing_twice_nothing_lost_never_stuck(setup: Setup, script: list[Step]) -> None:
    run(setup, script)


PLAIN = Setup(block_time_s=2.0, max_in_flight=1, outbids=True, subscribable=False, retries=0)

STORIES: dict[str, tuple[Setup, list[Step]]] = {
    "heads of a reorganisation are told with numbers known": (
        replace(PLAIN, subscribable=True),
        [("mine", 2, 40.0), ("reorganise and forget", 2, 0.003)],
    ),
    "a nonce that others wait for is refused again and again": (
        replace(PLAIN, block_time_s=12.0, max_in_flight=3),
        [
            ("lag", 4, 0.003),
            ("empty account", 0, 3.0),
            ("base fee", 427, 0.003),
            ("mine", 2, 3.0),
            ("heal", 0, 0.4),
            ("base fee", 666, 1.0),
        ],
    ),
    "the nonce of a push that is given up was used meanwhile": (
        replace(PLAIN, block_time_s=12.0, retries=3),
        [
            ("slow down", 8, 0.003),
            ("lag", 1, 3.0),
            ("journal fails", 0, 0.4),
            ("move", 4, 0.1),
            ("lie", 84, 0.0),
            ("empty account", 0, 40.0),
        ],
    ),
    "several pushes wait beyond a nonce gap": (
        replace(PLAIN, block_time_s=0.25, max_in_flight=3, outbids=False, subscribable=True),
        [("lie", 32, 12.0), ("fresh disk", 0, 0.003), ("mine", 3, 1.0)],
    ),
    "a push beyond a gap is not outbid in vain": (
        replace(PLAIN, block_time_s=0.25, max_in_flight=3, subscribable=True, retries=3),
        [("lie", 52, 0.0), ("fresh disk", 0, 1.0)],
    ),
    "an earlier process left something beyond a nonce gap": (
        replace(PLAIN, block_time_s=0.25, outbids=False, subscribable=True),
        [("lie", 96, 40.0), ("stall", 0, 40.0), ("fresh disk", 0, 0.1)],
    ),
    "what lies beyond a gap lands when the gap is filled": (
        replace(PLAIN, block_time_s=12.0),
        [("lose answers", 1, 12.0), ("fresh disk", 0, 0.003), ("reorganise", 5, 0.0), ("drop pool", 0, 0.0)],
    ),
    "a stranger outbids beyond a gap": (
        PLAIN,
        [
            ("base fee", 212, 40.0),
            ("stall", 0, 0.0),
            ("fresh disk", 0, 40.0),
            ("base fee", 676, 0.4),
            ("rival pending", 0, 40.0),
            ("reorganise and forget", 5, 40.0),
        ],
    ),
    "all endpoints lie, and say that the nonce is used": (
        replace(PLAIN, outbids=False, subscribable=True, retries=3),
        [("stall", 0, 0.1), ("lie", 9, 0.1), ("refuse", 11, 40.0)],
    ),
    "endpoints are down when a push is deep enough to be final": (
        replace(PLAIN, block_time_s=12.0, subscribable=True, max_in_flight=3, outbids=False, retries=3),
        [("wait", 0, 40.0), ("go down", 0, 1.0), ("mine", 2, 0.1), ("reorganise", 5, 100.0)],
    ),
    "another push takes off while one is renumbered": (
        replace(PLAIN, block_time_s=12.0, max_in_flight=3, retries=3),
        [
            ("slow down", 14, 12.0),
            ("drop pool", 0, 40.0),
            ("rival pending", 1, 40.0),
            ("refuse", 2, 40.0),
            ("lose", 3, 1.0),
        ],
    ),
    "what cannot be outbid at the cap is mined": (
        replace(PLAIN, outbids=False, subscribable=True),
        [("go down", 0, 0.0), ("fresh disk", 0, 0.4), ("heal", 0, 0.003), ("base fee", 327, 40.0)],
    ),
}


@pytest.mark.parametrize("story", STORIES)
def test_found_before(story: str) -> None:
    run(*STORIES[story])
