"""Price models, feeds, and how a market moves."""

from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.domain.errors import UsageError
from keeper.lab.hermes.config import SimulatorConfig
from keeper.lab.hermes.feeds import Catalogue
from keeper.lab.hermes.market import Market
from keeper.lab.hermes.prices import MAX_PRICE, Quote, RandomWalk, Replay, Row
from keeper.lab.hermes.updates import PriceMessage
from tests.support.updates import keccak256

NOON = 1_700_000_000


def still_market(feeds: int = 3) -> Market:
    return Market(SimulatorConfig(feeds=feeds, volatility_ppm=0), now_s=NOON)


def walked(walk: RandomWalk, steps: int) -> list[int]:
    quote, prices = walk.first, []
    for _ in range(steps):
        quote = walk.next(quote)
        prices.append(quote.price)
    return prices


def replayed(replay: Replay, steps: int) -> list[int]:
    quote, prices = replay.first, []
    for _ in range(steps):
        quote = replay.next(quote)
        prices.append(quote.price)
    return prices


def rows(*at: int) -> list[Row]:
    return [Row(at_ms, Quote(100 + number, number)) for number, at_ms in enumerate(at)]


def messages(market: Market, now_s: int) -> PriceMessage:
    return market.advance(now_s)[0]


def test_equal_seeds_make_equal_walks_and_others_differ() -> None:
    def walk(seed: str) -> list[int]:
        return walked(RandomWalk(10**12, volatility_ppm=50, seed=seed), 50)

    assert walk("1/BTC") == walk("1/BTC")
    assert walk("1/BTC") != walk("2/BTC")


def test_a_feed_walks_alike_however_many_feeds_there_are() -> None:
    few, many = (Market(SimulatorConfig(feeds=feeds, seed=3), now_s=NOON) for feeds in (2, 50))
    for step in range(5):
        assert few.advance(NOON + step) == many.advance(NOON + step)[:2]


def test_a_walk_moves_by_about_its_volatility() -> None:
    prices = walked(RandomWalk(10**12, volatility_ppm=100, seed="x"), 2000)
    steps = [(new - old) * 10**6 / old for old, new in pairwise(prices)]
    deviation = (sum(step**2 for step in steps) / len(steps)) ** 0.5
    assert 90 < deviation < 110
    assert 0.9 < prices[-1] / prices[0] < 1.1


def test_a_walk_without_volatility_stands_still() -> None:
    assert set(walked(RandomWalk(10**12, volatility_ppm=0, seed="x"), 100)) == {10**12}


@given(st.integers(1, MAX_PRICE), st.integers(0, 10**6), st.text(max_size=5))
def test_a_walk_stays_servable(start: int, volatility_ppm: int, seed: str) -> None:
    prices = walked(RandomWalk(start, volatility_ppm=volatility_ppm, seed=seed), 20)
    assert all(1 <= price <= MAX_PRICE for price in prices)


def test_a_replay_keeps_the_pace_of_its_rows() -> None:
    assert replayed(Replay(rows(0, 1000, 2000), step_ms=500, loop=False), 5) == [100, 101, 101, 102, 102]


def test_a_faster_replay_skips_rows() -> None:
    assert replayed(Replay(rows(0, 10, 20, 30, 40), step_ms=20, loop=False), 2) == [102, 104]


def test_a_looped_replay_starts_again_after_resting_on_its_last_row() -> None:
    replay = Replay(rows(0, 10, 20), step_ms=10, loop=True)
    assert replayed(replay, 7) == [101, 102, 100, 101, 102, 100, 101]
    assert not replay.ended


def test_a_replay_ends_once_its_last_row_has_had_its_slot() -> None:
    replay = Replay(rows(0, 10), step_ms=10, loop=False)
    replayed(replay, 1)
    assert not replay.ended
    assert replay.next(Quote(101, 1)) == Quote(101, 1)
    assert replay.ended


@given(times=st.lists(st.integers(0, 10**6), min_size=1, max_size=20), step_ms=st.floats(0.1, 10**6))
@pytest.mark.parametrize("loop", [True, False])
def test_a_replay_serves_only_recorded_quotes(times: list[int], step_ms: float, *, loop: bool) -> None:
    recorded = rows(*sorted(times))
    prices = replayed(Replay(recorded, step_ms=step_ms, loop=loop), 30)
    assert set(prices) <= {row.quote.price for row in recorded}


def test_feeds_have_documented_ids() -> None:
    feeds = Catalogue(2000).feeds
    assert [feed.symbol for feed in feeds[:2]] == ["BTC/USD", "ETH/USD"]
    assert feeds[0].id == "e62df6c8b4a85fe1a67db44dc12de5db330f7ac66b72dc658afedf0f4a415b43"
    assert feeds[1].id == "ff61491a931112ddf1bd8147cd1b641375f79f5825126d665480874634fd0ace"
    assert feeds[12].symbol == "FEED12/USD"
    assert all(feed.id == keccak256(f"devnet/{feed.symbol}".encode()).hex() for feed in feeds[2:])
    assert len({feed.id for feed in feeds}) == len({feed.symbol for feed in feeds}) == 2000
    assert all(10**5 <= feed.start_price * 10 ** (8 + feed.expo) <= 10**13 for feed in feeds)


@pytest.mark.parametrize("count", [0, 2001, -1])
def test_refuses_too_few_or_too_many_feeds(count: int) -> None:
    with pytest.raises(UsageError, match="1 to 2000"):
        Catalogue(count)


def test_finds_feeds_by_symbol_and_by_id_in_any_form() -> None:
    catalogue = Catalogue(3)
    names = ["ETH/USD", catalogue.feeds[1].id, "0x" + catalogue.feeds[1].id.upper()]
    assert [catalogue.find(name) for name in names] == [1, 1, 1]


@pytest.mark.parametrize("name", ["", "BTC", "BTC/EUR", "11" * 32, "0x11"])
def test_names_the_feed_that_it_does_not_know(name: str) -> None:
    with pytest.raises(UsageError, match=repr(name)):
        Catalogue(3).find(name)


def test_publish_times_follow_the_clock_and_remember_the_one_before() -> None:
    market = still_market()
    times = [(m.publish_time, m.prev_publish_time) for m in (messages(market, NOON + s) for s in (1, 1, 2))]
    assert times == [(NOON + 1, NOON), (NOON + 1, NOON + 1), (NOON + 2, NOON + 1)]


def test_a_jump_is_exact_in_the_next_slot_even_of_a_walk() -> None:
    market = Market(SimulatorConfig(feeds=1, volatility_ppm=1000), now_s=NOON)
    before = messages(market, NOON).price
    market.jump("BTC/USD", percent=Decimal("-1.5"))
    assert messages(market, NOON).price == round(Decimal(before) * Decimal("0.985"))
    market.jump("BTC/USD", price=Decimal("71234.5"))
    assert messages(market, NOON).price == 7_123_450_000_000
    assert messages(market, NOON).price != 7_123_450_000_000


def test_the_average_follows_its_price_slowly() -> None:
    market = still_market(1)
    start = messages(market, NOON).ema_price
    market.jump("BTC/USD", percent=Decimal(100))
    averages = [messages(market, NOON).ema_price for _ in range(2000)]
    assert start < averages[0] < start * 1.01
    assert averages == sorted(averages)
    assert averages[-1] > start * 1.99


@pytest.mark.parametrize("percent", ["-100", "-250", "1e30", "1e999999", "NaN", "sNaN", "Infinity", "-Infinity"])
def test_refuses_jumps_that_cannot_be_served(percent: str) -> None:
    market = still_market(1)
    with pytest.raises(UsageError, match="cannot jump"):
        market.jump("BTC/USD", percent=Decimal(percent))
    assert messages(market, NOON).price == 65_000 * 10**8


def test_a_jump_wants_either_percent_or_price() -> None:
    market = still_market(1)
    with pytest.raises(UsageError, match="one of the two"):
        market.jump("BTC/USD")
    with pytest.raises(UsageError, match="one of the two"):
        market.jump("BTC/USD", percent=Decimal(1), price=Decimal(1))


def test_a_frozen_feed_keeps_its_time_and_moves_by_jumps_alone() -> None:
    market = Market(SimulatorConfig(feeds=2), now_s=NOON)
    frozen = market.find("BTC/USD")
    frozen.frozen = True
    before, moving = market.advance(NOON + 1), market.advance(NOON + 5)
    assert moving[0] == before[0]
    assert moving[1].publish_time == NOON + 5
    market.jump("BTC/USD", percent=Decimal(10))
    jumped = messages(market, NOON + 6)
    assert (jumped.publish_time, jumped.price > before[0].price) == (before[0].publish_time, True)


def test_shifted_publish_times_run_ahead_until_the_reset() -> None:
    market = still_market(2)
    market.find("BTC/USD").shift_s = 60
    assert [m.publish_time for m in market.advance(NOON)] == [NOON + 60, NOON]
    market.reset()
    assert [m.publish_time for m in market.advance(NOON + 1)] == [NOON + 1, NOON + 1]


def test_volatility_can_be_set_for_some_feeds() -> None:
    market = still_market(2)
    market.set_volatility(1000, ["ETH/USD"])
    first, second = market.advance(NOON), market.advance(NOON)
    assert first[0].price == second[0].price
    assert first[1].price != second[1].price
