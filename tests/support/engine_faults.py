"""All that may happen to a keeper while it runs: by a name and a number."""

from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import NamedTuple, TypeAlias

from hypothesis import strategies as st

from keeper.domain.errors import Refusal, SendRefused
from tests.support.chain import GWEI
from tests.support.engine_world import World

Step: TypeAlias = tuple[str, int, float]
"""What happens, how much of it, and for how many seconds nothing else does."""

MOMENTS_S = (0.0, 0.003, 0.1, 0.4, 1.0, 3.0, 12.0, 40.0)


class Happening(NamedTuple):
    """One kind of step."""

    take: Callable[[World, int], object | Awaitable[object]]
    least: int = 0
    most: int = 0


def _mine(world: World, blocks: int) -> None:
    for _ in range(blocks):
        world.chain.mine()


def _refuse(world: World, number: int) -> None:
    """Each refusal up to three times."""
    times, which = divmod(number, len(Refusal))
    world.chain.refuse = [SendRefused([*Refusal][which], "refused")] * (times + 1)


def _let(name: str, value: object) -> Callable[[World, int], object]:
    return lambda world, _: setattr(world.chain, name, value)


def _count(name: str) -> Callable[[World, int], object]:
    return lambda world, number: setattr(world.chain, name, number)


def _lag(world: World, blocks: int) -> None:
    world.chain.lag, world.chain.nonce_lie = blocks, None


def _lie(world: World, excess: int) -> None:
    world.chain.lag, world.chain.nonce_lie = 0, excess


HAPPENINGS = {
    "wait": Happening(lambda _world, _: None),
    "mine": Happening(_mine, 1, 3),
    "move": Happening(lambda world, much: world.publish(F1=world.prices["F1"] * (1000 + much) // 1000), -5, 5),
    "reorganise": Happening(lambda world, depth: world.chain.reorganise(depth), 1, 5),
    "reorganise and forget": Happening(lambda world, depth: world.chain.reorganise(depth, forget=True), 1, 5),
    "drop pool": Happening(lambda world, _: world.chain.drop_pool()),
    "swallow": Happening(_count("swallow"), 1, 3),
    "lose": Happening(_count("lose"), 1, 3),
    "lose answers": Happening(_count("lose_answers"), 1, 3),
    "fail": Happening(_count("fail"), 1, 8),
    "go down": Happening(_let("down", value=True)),
    "refuse": Happening(_refuse, 0, 3 * len(Refusal) - 1),
    "lag": Happening(_lag, 1, 4),
    "lie": Happening(_lie, -3, 100),
    "slow down": Happening(lambda world, tenths: setattr(world.chain, "latency_s", tenths / 10), 1, 20),
    "stall": Happening(_let("stalled", value=True)),
    "censor": Happening(_let("censors", value=True)),
    "base fee": Happening(lambda world, gwei: setattr(world.chain, "base_fee", gwei * GWEI), 1, 700),
    "empty account": Happening(_let("balance", value=0)),
    "rival mined": Happening(lambda world, _: world.chain.use_nonce()),
    "rival pending": Happening(
        lambda world, ahead: world.chain.occupy_nonce(world.chain.nonce + ahead, 3 * world.chain.base_fee), 0, 3
    ),
    "journal fails": Happening(lambda world, _: setattr(world.files, "failure", "disk full")),
    "crash": Happening(lambda world, _: world.crash()),
    "fresh disk": Happening(lambda world, _: world.crash(fresh=True)),
    "heal": Happening(lambda world, _: world.heal()),
}


def _steps_of(name: str) -> st.SearchStrategy[Step]:
    happening = HAPPENINGS[name]
    return st.tuples(st.just(name), st.integers(happening.least, happening.most), st.sampled_from(MOMENTS_S))


scripts = st.lists(st.sampled_from(sorted(HAPPENINGS)).flatmap(_steps_of), max_size=25)
"""Any that may come."""


async def take(world: World, step: Step) -> None:
    """Let it happen, and time pass after it; what always holds is checked."""
    name, number, seconds = step
    took = HAPPENINGS[name].take(world, number)
    if isawaitable(took):
        await took
    world.check()
    await world.pass_time(seconds)
