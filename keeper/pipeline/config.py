"""What one network is told."""

from collections.abc import Mapping
from dataclasses import dataclass

from keeper.domain.fees import FeePolicy
from keeper.domain.policy import FeedPolicy
from keeper.domain.signers import ByContract, SignerCheck
from keeper.domain.transaction import Rules
from keeper.domain.units import FeedId
from keeper.pipeline.debounce import DebounceMode
from keeper.pipeline.governor import SpendRules
from keeper.pipeline.rivals import IfNecessary


@dataclass(frozen=True, slots=True)
class SubmitConfig:
    """How the pushes of one network are sent."""

    network: str
    contract: bytes
    """20 bytes."""
    rules: Rules
    retry_delay_s: float
    """Before the first retry; doubles with each."""
    fees: FeePolicy
    outbids: bool = True
    """Whether a higher fee replaces a transaction; not where the sequencer serves first come, first."""


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """What one network is told; times in seconds."""

    submit: SubmitConfig
    spend: SpendRules
    aliases: Mapping[FeedId, str]
    """What to call each feed: one name for every feed of `policies`."""
    policies: Mapping[FeedId, FeedPolicy]
    debounce_s: float
    debounce_mode: DebounceMode
    force_interval_s: float
    """0 is never."""
    poll_interval_s: float
    polls_only: bool
    """Whether subscriptions are not made use of."""
    max_in_flight: int
    dry_run: bool
    if_necessary: IfNecessary = IfNecessary.AUTO
    block_time_s: float = 0.0
    """What is known of it beforehand; 0 for nothing."""
    signers: SignerCheck | ByContract | None = None
    """What checks signatures before they are paid for; None leaves that to the contract."""
