"""Everything that happens, one frozen value each: logs, metrics and streams subscribe to these and to nothing else."""

from typing import TypeAlias

from keeper.domain.events.chain import (
    ChainEvent,
    ChainRead,
    ChainReadFailed,
    ContractChanged,
    FollowModeChanged,
)
from keeper.domain.events.control import (
    ControlEvent,
    ForceRefused,
    ForceRequested,
    NothingToPush,
    PushingPaused,
    PushingResumed,
)
from keeper.domain.events.journal import (
    JournalEvent,
    JournalFailed,
    JournalRecovered,
)
from keeper.domain.events.leadership import (
    CoordinationFailed,
    CoordinationRecovered,
    LeadershipEvent,
    LeadershipGained,
    LeadershipLost,
    OthersInFlight,
)
from keeper.domain.events.pushes import (
    FailingRepeatedly,
    FeeCapReached,
    PushEvent,
    PushFinal,
    PushFinished,
    PushOrphaned,
    PushPlanned,
    PushRetried,
    PushSent,
)
from keeper.domain.events.sources import (
    SourceConnected,
    SourceDistrusted,
    SourceEvent,
    SourceLost,
    SourcePolling,
    SourceProblem,
    SourceStoodDown,
    SourceTrusted,
)
from keeper.domain.events.spending import (
    BalanceLow,
    BudgetNearlySpent,
    PushHeld,
    SpendEvent,
    SpendModeChanged,
)

__all__ = [
    "BalanceLow",
    "BudgetNearlySpent",
    "ChainEvent",
    "ChainRead",
    "ChainReadFailed",
    "ContractChanged",
    "ControlEvent",
    "CoordinationFailed",
    "CoordinationRecovered",
    "Event",
    "FailingRepeatedly",
    "FeeCapReached",
    "FollowModeChanged",
    "ForceRefused",
    "ForceRequested",
    "JournalEvent",
    "JournalFailed",
    "JournalRecovered",
    "LeadershipEvent",
    "LeadershipGained",
    "LeadershipLost",
    "NothingToPush",
    "OthersInFlight",
    "PushEvent",
    "PushFinal",
    "PushFinished",
    "PushHeld",
    "PushOrphaned",
    "PushPlanned",
    "PushRetried",
    "PushSent",
    "PushingPaused",
    "PushingResumed",
    "SourceConnected",
    "SourceDistrusted",
    "SourceEvent",
    "SourceLost",
    "SourcePolling",
    "SourceProblem",
    "SourceStoodDown",
    "SourceTrusted",
    "SpendEvent",
    "SpendModeChanged",
]

Event: TypeAlias = SourceEvent | ChainEvent | ControlEvent | PushEvent | SpendEvent | JournalEvent | LeadershipEvent
