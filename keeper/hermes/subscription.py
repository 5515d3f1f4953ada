"""One group of feeds at one endpoint: a stream, polls in its absence, and what the two share."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from keeper.domain.units import FeedId
from keeper.hermes.config import Decode, Timing
from keeper.hermes.failure import SourceFailure
from keeper.hermes.health import Health
from keeper.hermes.intake import Intake
from keeper.hermes.pacing import RequestBudget
from keeper.hermes.roster import Roster
from keeper.hermes.transport import Transport
from keeper.ports import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """What stream and polls share."""

    transport: Transport
    roster: Roster
    health: Health
    intake: Intake
    budget: RequestBudget
    clock: Clock
    timing: Timing
    decode: Decode
    key: Callable[[], str | None]
    """The API key as of now."""
    delivering: asyncio.Event
    """Set once its stream has brought prices."""
    elsewhere: Callable[[], frozenset[FeedId]]
    """Feeds that streams of other endpoints bring just now."""

    def has_another_key_than(self, key: str | None) -> bool:
        """Whether the API key can be read, and is another one."""
        return self.key() not in {None, key}

    def heed(self, failure: SourceFailure) -> bool:
        """Draw the consequences of a failure; tells whether asking again soon would be asking for the same refusal."""
        if failure.retry_after_s is not None:
            self.budget.bar(self.clock.monotonic() + failure.retry_after_s)
        return failure.refused and not self.roster.exclude(failure.feeds)
