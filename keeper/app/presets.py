"""Named sets of settings: what is set explicitly wins over them."""

from collections.abc import Mapping
from enum import StrEnum


class Preset(StrEnum):
    """What matters most."""

    SPEED = "speed"
    COST = "cost"
    TRADING = "trading"


PRESETS: Mapping[str, Mapping[str, str]] = {
    Preset.SPEED: {"debounce_ms": "400", "min_price_change_percent": "0.001"},
    Preset.COST: {
        "debounce_ms": "5000",
        "min_price_change_percent": "0.05",
        "force_update_interval_ms": "600000",
    },
    Preset.TRADING: {
        "debounce_ms": "1000",
        "min_price_change_percent": "0.01",
        "force_update_interval_ms": "300000",
    },
}
"""Settings as they would be written, by preset."""
