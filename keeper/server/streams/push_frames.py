"""Frames about pushes, step by step."""

from keeper.domain.policy import Reason
from keeper.domain.transaction import Outcome
from keeper.server.streams.frame_parts import Feed, OfNetwork
from keeper.server.views import Amount


class PlannedFeed(Feed, frozen=True):
    """The same, and why it is pushed."""

    reason: Reason


class PushFrame(OfNetwork, frozen=True, kw_only=True):
    """What all steps of a push have."""

    push: int
    """Its number, as in logs and journal."""


class PlanFrame(PushFrame, frozen=True, tag="plan", kw_only=True):
    """Feeds were found due; in a dry run nothing is sent."""

    feeds: list[PlannedFeed]
    gas: int
    update_fee: Amount
    dry_run: bool


class SentFrame(PushFrame, frozen=True, tag="sent", kw_only=True):
    """A signed transaction was accepted by an endpoint."""

    nonce: int
    tx_hash: str
    feeds: list[Feed]
    endpoint: str
    event_to_sent_ms: float
    """From the arrival of the newest price in it."""


class ReplacedFrame(PushFrame, frozen=True, tag="replaced", kw_only=True):
    """The same, of one that outbids an earlier transaction with the same nonce."""

    nonce: int
    tx_hash: str
    feeds: list[Feed]
    endpoint: str
    event_to_sent_ms: float


class RetriedFrame(PushFrame, frozen=True, tag="retried", kw_only=True):
    """An attempt failed; the next one follows after the delay."""

    attempt: int
    error: str
    delay_s: float


class EndFrame(PushFrame, frozen=True, kw_only=True):
    """How a push ended."""

    outcome: Outcome
    feeds: list[Feed]
    tx_hash: str | None
    block: int | None
    gas_used: int | None
    cost: Amount | None
    """Gas and update fee."""
    latency_ms: float | None
    """From the arrival of the newest price in it to the receipt."""
    retries: int
    detail: str
    """What went wrong, or empty."""


class ConfirmedFrame(EndFrame, frozen=True, tag="confirmed", kw_only=True):
    """It was mined, and wrote prices."""


class RevertedFrame(EndFrame, frozen=True, tag="reverted", kw_only=True):
    """It was mined, and reverted."""


class EndedFrame(EndFrame, frozen=True, tag="ended", kw_only=True):
    """It ended in any other way: see `outcome`."""


class FinalFrame(PushFrame, frozen=True, tag="final", kw_only=True):
    """It is as deep in the chain as was asked for."""

    tx_hash: str


class OrphanedFrame(PushFrame, frozen=True, tag="orphaned", kw_only=True):
    """A reorganisation took back its block: it is in flight again."""

    tx_hash: str


class CappedFrame(PushFrame, frozen=True, tag="capped", kw_only=True):
    """It would need a higher fee than is allowed, and waits."""

    max_fee: Amount


class HeldFrame(OfNetwork, frozen=True, tag="held", kw_only=True):
    """Feeds would be due, and a limit on spending holds them."""

    feeds: list[Feed]


class FailingFrame(OfNetwork, frozen=True, tag="failing", kw_only=True):
    """So many pushes failed in a row that it is no bad luck."""

    failures: int
    cause: str
