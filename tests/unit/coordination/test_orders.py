"""Orders in the store of leases."""

import pytest

from keeper.coordination.orders import LeaseOrders
from keeper.domain.orders import Pause, Standing
from keeper.ports import Orders
from tests.support.leases import FakeLeases, LeaseShelf
from tests.support.orders_contract import ALL, MINE, NOW, SOME, OrdersContract


class TestLeaseOrders(OrdersContract):
    @pytest.fixture
    def orders(self) -> Orders:
        return LeaseOrders(FakeLeases())


async def test_orders_reach_whoever_leads_and_outlive_whoever_took_them() -> None:
    shelf = LeaseShelf()
    standby, leader = LeaseOrders(FakeLeases(shelf)), LeaseOrders(FakeLeases(shelf))
    await standby.ask(MINE, SOME, NOW)
    await standby.pause(MINE, Pause("alice", NOW))
    assert await leader.take(MINE, NOW) == SOME
    assert await LeaseOrders(FakeLeases(shelf)).look([MINE]) == {MINE: Standing(Pause("alice", NOW))}


async def test_what_somebody_scribbled_is_no_order() -> None:
    shelf = LeaseShelf()
    orders = LeaseOrders(FakeLeases(shelf))
    await orders.ask(MINE, ALL, NOW)
    (record,) = shelf.leases.values()
    (name,) = record.notes
    shelf.put("orders", record.noting(**{name: "{"}))
    assert await orders.take(MINE, NOW) is None
