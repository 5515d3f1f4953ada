"""Prices that the contract stored: told once each, and taken back."""

import pytest

from keeper.domain.errors import Transient
from keeper.domain.units import Gas
from keeper.evm.shapes import PlacedLog, read
from keeper.evm.stored import Batch, Stored, StoredPrices, stored
from keeper.ports import Head
from tests.support.scripted_chain import CONTRACT, Block, write

DEPTH = 5


def event(block: int = 10, block_hash: bytes = b"a", position: int = 0, tx_hash: bytes = b"t") -> Stored:
    return Stored(write(position), tx_hash, block, block_hash, position)


def removal(of: Stored) -> Stored:
    return of._replace(removed=True)


def head(number: int, block_hash: bytes) -> Head:
    return Head(number, block_hash, parent=b"", timestamp=0, base_fee=None, gas_limit=Gas(0))


def batch(*events: Stored, removed: bool = False) -> Batch:
    return Batch(tuple(each.write for each in events), events[0].block, events[0].tx_hash, removed)


def test_prices_of_one_transaction_are_told_together() -> None:
    first, second, other = event(position=0), event(position=1), event(position=2, tx_hash=b"u")
    assert list(StoredPrices(DEPTH).take([first, second, other])) == [batch(first, second), batch(other)]


def test_what_comes_twice_is_told_once() -> None:
    prices = StoredPrices(DEPTH)
    assert list(prices.take([event(), event()])) == [batch(event())]
    assert list(prices.take([event()])) == []


def test_the_same_transaction_in_another_block_is_told_again() -> None:
    prices = StoredPrices(DEPTH)
    list(prices.take([event()]))
    assert list(prices.take([event(block_hash=b"b")])) == [batch(event(block_hash=b"b"))]


def test_a_removal_takes_back_what_was_told_and_only_once() -> None:
    prices = StoredPrices(DEPTH)
    list(prices.take([event()]))
    assert list(prices.take([removal(event())])) == [batch(event(), removed=True)]
    assert list(prices.take([removal(event())])) == []


def test_nothing_is_taken_back_that_was_not_told() -> None:
    assert list(StoredPrices(DEPTH).take([removal(event())])) == []


def test_what_was_taken_back_may_be_told_again() -> None:
    prices = StoredPrices(DEPTH)
    told = [list(prices.take([each])) for each in (event(), removal(event()), event())]
    assert told == [[batch(event())], [batch(event(), removed=True)], [batch(event())]]


def test_another_block_of_its_number_takes_it_back_without_a_word_of_removal() -> None:
    prices = StoredPrices(DEPTH)
    list(prices.take([event(block_hash=b"a"), event(block_hash=b"b")]))
    assert list(prices.take_head(head(10, b"b"))) == [batch(event(block_hash=b"a"), removed=True)]
    assert list(prices.take([removal(event(block_hash=b"a"))])) == []


def test_blocks_of_other_numbers_take_nothing_back() -> None:
    prices = StoredPrices(DEPTH)
    list(prices.take([event()]))
    assert list(prices.take_head(head(11, b"b"))) == []


def test_what_no_reorganisation_reaches_is_forgotten() -> None:
    prices = StoredPrices(DEPTH)
    list(prices.take([event()]))
    assert list(prices.take_head(head(15, b"b"))) == []
    assert list(prices.take([removal(event())])) == []


class TestReading:
    LOG = Block(None, [write(7)]).logs()[0]

    def test_reads_the_price_and_its_place(self) -> None:
        found = stored(read(self.LOG, PlacedLog), CONTRACT)
        assert found is not None
        assert (found.write, found.block, found.position, found.removed) == (write(7), 0, 0, False)

    @pytest.mark.parametrize("other", [{"address": "0x" + "11" * 20}, {"topics": ["0x" + "00" * 32] * 2}])
    def test_passes_over_other_events(self, other: dict[str, object]) -> None:
        assert stored(read(self.LOG | other, PlacedLog), CONTRACT) is None

    @pytest.mark.parametrize("broken", [{"blockHash": None}, {"logIndex": 7}, {"blockNumber": "ten"}])
    def test_a_log_that_stands_nowhere_is_none(self, broken: dict[str, object]) -> None:
        with pytest.raises(Transient):
            stored(read(self.LOG | broken, PlacedLog), CONTRACT)
