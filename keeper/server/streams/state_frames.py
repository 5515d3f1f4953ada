"""Frames about everything that is in one state or another: feeds, sources, chains, money, leaders, orders."""

from typing import Literal, TypeAlias

from keeper.domain.budget import SpendLimit, SpendMode
from keeper.domain.policy import Reason, Verdict
from keeper.domain.status import EndpointState
from keeper.server.health import Level
from keeper.server.streams.frame_parts import Frame, OfNetwork, StreamPrice
from keeper.server.views import Amount

SourceChange: TypeAlias = Literal[
    "connected", "lost", "polling", "polling_ended", "problem", "standby", "distrusted", "trusted"
]


class PriceFrame(OfNetwork, frozen=True, tag="price", kw_only=True):
    """A source has a newer price of a feed."""

    feed: str
    alias: str
    price: StreamPrice
    source: str | None
    """The endpoint that brought it."""


class VerdictFrame(OfNetwork, frozen=True, tag="verdict", kw_only=True):
    """What is to be done with a feed is another thing than before, or for another reason."""

    feed: str
    alias: str
    verdict: Verdict
    reason: Reason
    deviation_percent: str | None
    """Of the source price from the on-chain price, without sign."""


class OnChainFrame(OfNetwork, frozen=True, tag="on_chain", kw_only=True):
    """The price of a feed on chain is another one."""

    feed: str
    alias: str
    price: StreamPrice
    ours: bool | None
    """Whether a push of ours stored it; null where that is not known."""


class SourceFrame(Frame, frozen=True, tag="source", kw_only=True):
    """A price source does otherwise than before; `distrusted` and `trusted` are one network's view of it."""

    source: str
    state: SourceChange
    detail: str
    network: str | None = None


class RpcFrame(OfNetwork, frozen=True, tag="rpc", kw_only=True):
    """An RPC endpoint is in another state."""

    endpoint: str
    state: EndpointState
    detail: str


class ChainFrame(OfNetwork, frozen=True, tag="chain", kw_only=True):
    """The chain was read, could not be, is followed otherwise, or has another contract."""

    what: Literal["read", "failed", "following", "contract_changed"]
    block: int | None = None
    nonce: int | None = None
    detail: str = ""


class BalanceFrame(OfNetwork, frozen=True, tag="balance", kw_only=True):
    """The account's balance is another one, or will not last for long."""

    balance: Amount
    runway_s: int | None
    low: bool
    """Whether it lasts for less than a day: told once."""


class BudgetFrame(OfNetwork, frozen=True, tag="budget", kw_only=True):
    """The network spends more freely, or less, or its budget is nearly spent."""

    what: Literal["mode", "nearly_spent"]
    mode: SpendMode
    limit: SpendLimit | None
    spent_today: Amount
    daily_budget: Amount | None


class LeadershipFrame(OfNetwork, frozen=True, tag="leadership", kw_only=True):
    """The process sends for the network's account from now on, or no longer does."""

    held: bool
    shard: str
    epoch: int
    detail: str
    """Why it is lost, or empty."""


class CoordinationFrame(Frame, frozen=True, tag="coordination", kw_only=True):
    """Whether it can be told who may send, or what somebody else has sent may land first (`waits`)."""

    state: Literal["failed", "recovered", "waits"]
    detail: str


class ControlFrame(OfNetwork, frozen=True, tag="control", kw_only=True):
    """Something was ordered, by an operator or a timer."""

    what: Literal["force", "refused", "pause", "resume", "nothing_to_push"]
    by: str
    feeds: int | None = None
    """So many."""


class JournalFrame(Frame, frozen=True, tag="journal", kw_only=True):
    """Whether the journal can be written."""

    state: Literal["failed", "recovered"]
    detail: str
    backlog: int | None = None
    lost: int | None = None


class ConfigFrame(Frame, frozen=True, tag="config", kw_only=True):
    """Settings were read anew, and that went otherwise than the last time."""

    trouble: str
    needs_restart: list[str]


class HealthFrame(Frame, frozen=True, tag="health", kw_only=True):
    """How the keeper does: when that changes, and once a minute."""

    status: Level
    problems: dict[str, str]
