"""Making slots and answers."""

from keeper.lab.hermes.config import SimulatorConfig
from keeper.lab.hermes.publisher import Publisher
from keeper.lab.hermes.queries import PriceQuery

ALL = PriceQuery(feeds=(0, 1, 2), encoding="hex", parsed=True, benchmarks_only=False)


def test_an_answer_is_built_once_a_slot_however_many_ask() -> None:
    publisher = Publisher(SimulatorConfig(feeds=3), clock=lambda: 1_700_000_000)
    publisher.publish()
    first = publisher.latest(ALL)
    assert publisher.latest(ALL) is first
    publisher.publish()
    assert publisher.latest(ALL) != first


def test_a_later_start_begins_at_a_later_slot() -> None:
    early = Publisher(SimulatorConfig(feeds=1), clock=lambda: 1_700_000_000)
    late = Publisher(SimulatorConfig(feeds=1), clock=lambda: 1_700_000_001)
    assert late.slot > early.slot
