"""What whoever looks at the keeper sees change: told to those who watch, and to nobody while there is none."""

from dataclasses import dataclass
from typing import TypeAlias

from keeper.domain.policy import Judgement
from keeper.domain.price import Price
from keeper.domain.sightings import Origin
from keeper.domain.status import ConfigStatus, EndpointStatus
from keeper.domain.units import FeedId, Wei


@dataclass(frozen=True, slots=True)
class PriceSeen:
    """A source has a newer price of a feed."""

    network: str
    feed: FeedId
    alias: str
    price: Price
    source: str | None


@dataclass(frozen=True, slots=True)
class VerdictSeen:
    """What is to be done with a feed is another thing than before, or for another reason."""

    network: str
    feed: FeedId
    alias: str
    judgement: Judgement
    deviation_ppm: int | None


@dataclass(frozen=True, slots=True)
class OnChainSeen:
    """The price of a feed on chain is another one."""

    network: str
    feed: FeedId
    alias: str
    price: Price
    origin: Origin | None
    """Whose transaction stored it, as far as that is known."""


@dataclass(frozen=True, slots=True)
class EndpointSeen:
    """An RPC endpoint is in another state."""

    network: str
    endpoint: EndpointStatus


@dataclass(frozen=True, slots=True)
class BalanceSeen:
    """The account's balance is another one."""

    network: str
    balance: Wei
    runway_s: int | None


@dataclass(frozen=True, slots=True)
class ConfigSeen:
    """Settings were read anew, and that went otherwise than the last time."""

    config: ConfigStatus


@dataclass(frozen=True, slots=True)
class HealthSeen:
    """How the keeper does: when that changes, and once a minute."""

    status: str
    problems: tuple[tuple[str, str], ...]
    """Components that are not healthy, and why."""


SeenEvent: TypeAlias = PriceSeen | VerdictSeen | OnChainSeen | EndpointSeen | BalanceSeen | ConfigSeen | HealthSeen
