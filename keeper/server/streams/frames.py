"""What the streams tell, a type a frame. Keys are stable: new ones may come, none changes its meaning.

Times are Unix seconds, `*_s` seconds, `*_ms` milliseconds. Amounts, prices and deviations are strings, exact to the
last digit.
"""

from typing import TypeAlias

from keeper.server.streams.push_frames import (
    CappedFrame,
    ConfirmedFrame,
    EndedFrame,
    FailingFrame,
    FinalFrame,
    HeldFrame,
    OrphanedFrame,
    PlanFrame,
    ReplacedFrame,
    RetriedFrame,
    RevertedFrame,
    SentFrame,
)
from keeper.server.streams.state_frames import (
    BalanceFrame,
    BudgetFrame,
    ChainFrame,
    ConfigFrame,
    ControlFrame,
    CoordinationFrame,
    HealthFrame,
    JournalFrame,
    LeadershipFrame,
    OnChainFrame,
    PriceFrame,
    RpcFrame,
    SourceFrame,
    VerdictFrame,
)

AnyFrame: TypeAlias = (
    PriceFrame
    | VerdictFrame
    | OnChainFrame
    | PlanFrame
    | SentFrame
    | ReplacedFrame
    | RetriedFrame
    | ConfirmedFrame
    | RevertedFrame
    | EndedFrame
    | FinalFrame
    | OrphanedFrame
    | CappedFrame
    | HeldFrame
    | FailingFrame
    | SourceFrame
    | RpcFrame
    | ChainFrame
    | BalanceFrame
    | BudgetFrame
    | LeadershipFrame
    | CoordinationFrame
    | ControlFrame
    | JournalFrame
    | ConfigFrame
    | HealthFrame
)
