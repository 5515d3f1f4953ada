"""The feeds that the simulator serves: a few well-known names, then FEED12/USD and so on.

BTC/USD and ETH/USD carry their mainnet ids; every other id is keccak256("devnet/" + symbol), for example
keccak256("devnet/FEED12/USD").
"""

from dataclasses import dataclass
from decimal import Decimal

from tiny_keccak import keccak256 as keccak

from keeper.domain.errors import UsageError
from keeper.domain.units import FeedId, parse_feed_id

MAX_FEEDS = 2000

MAINNET_IDS = {
    "BTC/USD": FeedId("e62df6c8b4a85fe1a67db44dc12de5db330f7ac66b72dc658afedf0f4a415b43"),
    "ETH/USD": FeedId("ff61491a931112ddf1bd8147cd1b641375f79f5825126d665480874634fd0ace"),
}

_KNOWN: tuple[tuple[str, str, int, str], ...] = (
    ("BTC/USD", "Crypto", -8, "65000"),
    ("ETH/USD", "Crypto", -8, "3400"),
    ("SOL/USD", "Crypto", -8, "150"),
    ("EUR/USD", "FX", -5, "1.08"),
    ("XAU/USD", "Metal", -3, "2400"),
    ("AAPL/USD", "Equity", -5, "220"),
    ("AVAX/USD", "Crypto", -8, "35"),
    ("BNB/USD", "Crypto", -8, "580"),
    ("DOGE/USD", "Crypto", -8, "0.12"),
    ("USDC/USD", "Crypto", -8, "1"),
    ("GBP/USD", "FX", -5, "1.27"),
    ("XAG/USD", "Metal", -5, "29"),
)

_MAGNITUDES = (1, 10, 100, 1_000, 10_000, 100_000, 1_000_000)


@dataclass(frozen=True, slots=True)
class Feed:
    """One price feed: its names, its scale, and the price it starts at, scaled by 10**expo."""

    id: FeedId
    symbol: str
    asset_type: str
    expo: int
    start_price: int

    @property
    def attributes(self) -> dict[str, str]:
        """What `/v2/price_feeds` tells of the feed, keys in alphabetical order."""
        base, _, quote = self.symbol.partition("/")
        return {
            "asset_type": self.asset_type,
            "base": base,
            "description": f"{base} / {quote} (DEVNET)",
            "display_symbol": self.symbol,
            "generic_symbol": f"{base}{quote}",
            "quote_currency": quote,
            "schedule": "America/New_York;O,O,O,O,O,O,O;",
            "symbol": f"{self.asset_type}.{self.symbol}",
        }


class Catalogue:
    """All feeds in order, found by id or symbol."""

    def __init__(self, count: int) -> None:
        """Raises UsageError unless 1..2000 feeds are asked for."""
        if not 1 <= count <= MAX_FEEDS:
            raise UsageError(f"{count} feeds: give 1 to {MAX_FEEDS}")
        self.feeds = tuple(_feed(number) for number in range(count))
        self.index_of_id = {feed.id: index for index, feed in enumerate(self.feeds)}
        self._index_of_symbol = {feed.symbol: index for index, feed in enumerate(self.feeds)}

    def find(self, name: str) -> int:
        """The index of a feed given by symbol or id; raises UsageError where there is none."""
        index = self._index_of_symbol.get(name)
        if index is None and "/" not in name:
            index = self.index_of_id.get(parse_feed_id(name))
        if index is None:
            raise UsageError(
                f"no feed {name!r} here: give a symbol such as BTC/USD or an id that /v2/price_feeds lists"
            )
        return index


def _feed(number: int) -> Feed:
    if number < len(_KNOWN):
        symbol, asset_type, expo, start = _KNOWN[number]
        return Feed(_feed_id(symbol), symbol, asset_type, expo, int(Decimal(start).scaleb(-expo)))
    symbol = f"FEED{number}/USD"
    return Feed(_feed_id(symbol), symbol, "Crypto", -8, _invented_price(number))


def _feed_id(symbol: str) -> FeedId:
    return MAINNET_IDS.get(symbol) or FeedId(keccak(f"devnet/{symbol}".encode()).hex())


def _invented_price(number: int) -> int:
    """Between 0.01 and 100,000 at exponent -8, spread over the magnitudes."""
    return (100 + 37 * number % 900) * 10_000 * _MAGNITUDES[number % len(_MAGNITUDES)]
