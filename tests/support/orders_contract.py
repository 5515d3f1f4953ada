"""What operators may rely on, whatever takes their orders to the keeper."""

from abc import ABC, abstractmethod

import pytest

from keeper.domain.orders import Addressee, Pause, PushRequest, Standing
from keeper.ports import Orders
from tests.support.flights import BTC, ETH

NOW = 1_760_000_000.0
MINE = Addressee("test", "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266")
OTHER = Addressee("other", MINE.address)
SAME_NETWORK = Addressee("test", "0x70997970C51812dc3A010C7d01b50e0d17dc79C8")
ALL = PushRequest(None, "alice")
SOME = PushRequest(frozenset({BTC}), "bob")


class OrdersContract(ABC):
    """Subclasses make orders that nobody has used yet."""

    @pytest.fixture
    @abstractmethod
    def orders(self) -> Orders: ...

    async def test_at_first_there_is_nothing_to_heed(self, orders: Orders) -> None:
        assert await orders.look([MINE, OTHER]) == {MINE: Standing(), OTHER: Standing()}
        assert await orders.take(MINE, NOW) is None

    async def test_a_request_is_given_out_once_and_to_its_addressee(self, orders: Orders) -> None:
        await orders.ask(MINE, SOME, NOW)
        assert await orders.look([MINE, OTHER]) == {MINE: Standing(waiting=True), OTHER: Standing()}
        assert await orders.take(OTHER, NOW) is None
        assert await orders.take(SAME_NETWORK, NOW) is None
        assert await orders.take(MINE, NOW + 1) == SOME
        assert await orders.look([MINE]) == {MINE: Standing()}
        assert await orders.take(MINE, NOW + 1) is None

    async def test_all_feeds_may_be_asked_for(self, orders: Orders) -> None:
        await orders.ask(MINE, ALL, NOW)
        assert await orders.take(MINE, NOW) == ALL

    async def test_requests_that_wait_are_one(self, orders: Orders) -> None:
        await orders.ask(MINE, SOME, NOW)
        await orders.ask(MINE, PushRequest(frozenset({BTC, ETH}), "alice"), NOW)
        await orders.ask(MINE, SOME, NOW)
        assert await orders.take(MINE, NOW) == PushRequest(frozenset({BTC, ETH}), "bob, alice")

    async def test_what_was_asked_for_long_ago_is_not_heeded(self, orders: Orders) -> None:
        await orders.ask(MINE, ALL, NOW)
        await orders.ask(MINE, SOME, NOW + 20)
        assert await orders.take(MINE, NOW + 31) == SOME
        await orders.ask(MINE, ALL, NOW)
        assert await orders.take(MINE, NOW + 31) is None

    async def test_a_pause_stands_until_it_is_ended(self, orders: Orders) -> None:
        pause = Pause("alice", NOW)
        await orders.pause(MINE, pause)
        assert await orders.look([MINE, OTHER, SAME_NETWORK]) == {
            MINE: Standing(pause),
            OTHER: Standing(),
            SAME_NETWORK: Standing(),
        }
        await orders.pause(MINE, Pause("bob", NOW + 5))
        assert (await orders.look([MINE]))[MINE].pause == pause
        await orders.resume(MINE, by="bob", now=NOW + 9)
        assert (await orders.look([MINE]))[MINE].pause is None

    async def test_to_resume_what_is_not_paused_changes_nothing(self, orders: Orders) -> None:
        await orders.resume(MINE, by="bob", now=NOW)
        assert await orders.look([MINE]) == {MINE: Standing()}
