"""How a simulator is set up."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from keeper.domain.errors import UsageError
from keeper.domain.units import MILLION
from keeper.lab.hermes.signers import DEVNET_SIGNER_KEY
from keeper.lab.hermes.updates import PYTHNET, Emitter

NOMINAL_INTERVAL_MS = 400
"""Between two slots; also how much recorded time a slot takes where slots are published by hand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatorConfig:
    """Everything a simulator is told at its start."""

    feeds: int = 10
    interval_ms: int = NOMINAL_INTERVAL_MS
    """0: nothing is sent until `publish()` is called."""
    seed: int = 0
    volatility_ppm: int = 50
    """Standard deviation of each walk's step."""
    recordings: Mapping[str, Path] = field(default_factory=dict)
    """Feeds, by symbol or id, that replay a CSV file instead of walking."""
    speed: float = 1.0
    """How many times faster than recorded the files are replayed."""
    loop: bool = True
    """Whether a replay starts again after its last row; otherwise the feed's market closes there."""
    signer_keys: tuple[bytes, ...] = field(default=(DEVNET_SIGNER_KEY,), repr=False)
    quorum: int | None = None
    """How many of the signers sign; all by default."""
    signer_set_index: int = 0
    emitter: Emitter = PYTHNET
    api_key: str | None = field(default=None, repr=False)
    """Wanted on the price routes once set."""
    not_entitled: frozenset[str] = frozenset()
    """Feeds, by symbol or id, that the key does not cover."""
    rate_limit: bool = False
    """Whether more than 10 requests in 10 s earn 429 for a minute, as the public service has it."""
    keepalive_s: float = 15.0
    max_connection_s: float = 86_400.0
    """After this long a stream is ended by the server."""
    buffer_events: int = 64
    """Events kept for a consumer that reads too slowly, before it is disconnected."""

    def __post_init__(self) -> None:
        """Raises UsageError for a number out of range."""
        ranges: tuple[tuple[str, float, float], ...] = (
            ("interval_ms", 0, 3_600_000),
            ("volatility_ppm", 0, MILLION),
            ("speed", 0.001, 1_000_000),
            ("signer_set_index", 0, 2**32 - 1),
            ("keepalive_s", 0.01, 3600),
            ("max_connection_s", 0.01, 7 * 86_400),
            ("buffer_events", 1, 1024),
        )
        for name, lowest, highest in ranges:
            value = getattr(self, name)
            if not lowest <= value <= highest:
                raise UsageError(f"{name} {value}: give {lowest:g} to {highest:g}")
