"""What is wrong with the server on purpose, apart from single feeds."""

from dataclasses import dataclass, field, fields
from typing import Literal

from keeper.lab.hermes.garbage import Garbage
from keeper.lab.hermes.limits import RateLimit

Refusal = Literal["503", "reset"]
Routes = Literal["stream", "all"]
Throttle = Literal["off", "counting", "always"]


@dataclass(slots=True, kw_only=True)
class Faults:
    """Every switch in its normal position; see docs/devnet.md."""

    api_key: str | None = None
    refuse: Refusal | None = None
    refuse_routes: Routes = "stream"
    throttle: Throttle = "off"
    retry_after_s: int | None = None
    rate_limit: RateLimit = field(default_factory=RateLimit)
    silent: bool = False
    garbage: Garbage | None = None
    garbage_line_bytes: int = 0
    stream_delay_ms: int = 0
    latest_delay_ms: int = 0
    forged: bool = False
    split_slots: bool = False

    def as_json(self) -> dict[str, object]:
        """Every switch by name; of the key only whether one is wanted."""
        switches: dict[str, object] = {item.name: getattr(self, item.name) for item in fields(self)}
        del switches["rate_limit"]
        return switches | {"api_key": self.api_key is not None}
