"""The frames for everything that is in one state or another."""

from typing import TypeAlias, assert_never

from keeper.domain.events import (
    BalanceLow,
    BudgetNearlySpent,
    ChainEvent,
    ChainRead,
    ChainReadFailed,
    ContractChanged,
    ControlEvent,
    CoordinationFailed,
    CoordinationRecovered,
    FollowModeChanged,
    ForceRefused,
    ForceRequested,
    JournalEvent,
    JournalFailed,
    JournalRecovered,
    LeadershipEvent,
    LeadershipGained,
    LeadershipLost,
    NothingToPush,
    OthersInFlight,
    PushingPaused,
    PushingResumed,
    SourceConnected,
    SourceDistrusted,
    SourceEvent,
    SourceLost,
    SourcePolling,
    SourceProblem,
    SourceStoodDown,
    SourceTrusted,
    SpendModeChanged,
)
from keeper.domain.events.seen import (
    BalanceSeen,
    ConfigSeen,
    EndpointSeen,
    HealthSeen,
)
from keeper.server.health import Level
from keeper.server.streams.figures import amount
from keeper.server.streams.frames import (
    AnyFrame,
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
    RpcFrame,
    SourceChange,
    SourceFrame,
)

MoneyEvent: TypeAlias = BalanceSeen | BalanceLow | SpendModeChanged | BudgetNearlySpent
PartEvent: TypeAlias = JournalEvent | ConfigSeen | HealthSeen | EndpointSeen


def state_frame(
    event: SourceEvent | ChainEvent | MoneyEvent | ControlEvent | LeadershipEvent | PartEvent, id_: str, at: float
) -> AnyFrame:
    """The frame for an event that happened at `at`, Unix seconds."""
    match event:
        case (
            SourceConnected()
            | SourceLost()
            | SourcePolling()
            | SourceProblem()
            | SourceStoodDown()
            | SourceDistrusted()
            | SourceTrusted()
        ):
            frame = _source_frame(event, id_, at)
        case ChainRead() | ChainReadFailed() | FollowModeChanged() | ContractChanged():
            frame = _chain_frame(event, id_, at)
        case BalanceSeen() | BalanceLow() | SpendModeChanged() | BudgetNearlySpent():
            frame = _money_frame(event, id_, at)
        case ForceRequested() | ForceRefused() | PushingPaused() | PushingResumed() | NothingToPush():
            frame = _control_frame(event, id_, at)
        case LeadershipGained() | LeadershipLost() | OthersInFlight() | CoordinationFailed() | CoordinationRecovered():
            frame = _leadership_frame(event, id_, at)
        case JournalFailed() | JournalRecovered() | ConfigSeen() | HealthSeen() | EndpointSeen():
            frame = _part_frame(event, id_, at)
        case _:
            assert_never(event)
    return frame


def _source_frame(event: SourceEvent, id_: str, at: float) -> AnyFrame:
    state: SourceChange = "connected"
    detail = ""
    match event:
        case SourceConnected():
            pass
        case SourceLost(reason=reason):
            state, detail = "lost", reason
        case SourcePolling(active=active):
            state = "polling" if active else "polling_ended"
        case SourceProblem(problem=problem):
            state, detail = "problem", problem
        case SourceStoodDown():
            state = "standby"
        case SourceDistrusted(reason=reason):
            state, detail = "distrusted", reason
        case SourceTrusted():
            state = "trusted"
        case _:
            assert_never(event)
    network = event.network if isinstance(event, SourceDistrusted | SourceTrusted) else None
    return SourceFrame(id=id_, at=at, source=event.source, state=state, detail=detail, network=network)


def _chain_frame(event: ChainEvent, id_: str, at: float) -> AnyFrame:
    network = event.network
    match event:
        case ChainRead(block=block, nonce=nonce):
            return ChainFrame(id=id_, at=at, network=network, what="read", block=block, nonce=nonce)
        case ChainReadFailed(error=error):
            return ChainFrame(id=id_, at=at, network=network, what="failed", detail=error)
        case FollowModeChanged(mode=mode):
            return ChainFrame(id=id_, at=at, network=network, what="following", detail=mode)
        case ContractChanged(what=what, block=block):
            return ChainFrame(id=id_, at=at, network=network, what="contract_changed", block=block, detail=what)
        case _:
            assert_never(event)


def _money_frame(event: MoneyEvent, id_: str, at: float) -> AnyFrame:
    network = event.network
    match event:
        case BalanceSeen(balance=balance, runway_s=runway_s) | BalanceLow(balance=balance, runway_s=runway_s):
            low = isinstance(event, BalanceLow)
            return BalanceFrame(id=id_, at=at, network=network, balance=amount(balance), runway_s=runway_s, low=low)
        case SpendModeChanged() | BudgetNearlySpent():
            return BudgetFrame(
                id=id_,
                at=at,
                network=network,
                what="mode" if isinstance(event, SpendModeChanged) else "nearly_spent",
                mode=event.allowance.mode,
                limit=event.allowance.limit,
                spent_today=amount(event.spent_today),
                daily_budget=None if event.daily_budget is None else amount(event.daily_budget),
            )
        case _:
            assert_never(event)


def _control_frame(event: ControlEvent, id_: str, at: float) -> AnyFrame:
    network = event.network
    match event:
        case ForceRequested(origin=origin, feeds=feeds, by=by):
            return ControlFrame(id=id_, at=at, network=network, what="force", by=by or origin, feeds=feeds)
        case ForceRefused(origin=origin, feeds=feeds, by=by):
            return ControlFrame(id=id_, at=at, network=network, what="refused", by=by or origin, feeds=feeds)
        case PushingPaused(pause=pause):
            return ControlFrame(id=id_, at=at, network=network, what="pause", by=pause.by)
        case PushingResumed(pause=pause):
            return ControlFrame(id=id_, at=at, network=network, what="resume", by=pause.by)
        case NothingToPush(origin=origin):
            return ControlFrame(id=id_, at=at, network=network, what="nothing_to_push", by=origin)
        case _:
            assert_never(event)


def _leadership_frame(event: LeadershipEvent, id_: str, at: float) -> AnyFrame:
    match event:
        case LeadershipGained(network=network, shard=shard, epoch=epoch):
            return LeadershipFrame(id=id_, at=at, network=network, held=True, shard=shard, epoch=epoch, detail="")
        case LeadershipLost(network=network, shard=shard, epoch=epoch, why=why):
            return LeadershipFrame(id=id_, at=at, network=network, held=False, shard=shard, epoch=epoch, detail=why)
        case OthersInFlight(network=network, nonces=nonces):
            detail = f"{network}: what somebody else sent may land first, from nonce {nonces[0]}"
            return CoordinationFrame(id=id_, at=at, state="waits", detail=detail)
        case CoordinationFailed(error=error):
            return CoordinationFrame(id=id_, at=at, state="failed", detail=error)
        case CoordinationRecovered():
            return CoordinationFrame(id=id_, at=at, state="recovered", detail="")
        case _:
            assert_never(event)


def _part_frame(event: PartEvent, id_: str, at: float) -> AnyFrame:
    match event:
        case JournalFailed(error=error):
            return JournalFrame(id=id_, at=at, state="failed", detail=error)
        case JournalRecovered(backlog=backlog, lost=lost):
            return JournalFrame(id=id_, at=at, state="recovered", detail="", backlog=backlog, lost=lost)
        case ConfigSeen(config=config):
            return ConfigFrame(id=id_, at=at, trouble=config.trouble, needs_restart=list(config.needs_restart))
        case HealthSeen(status=status, problems=problems):
            return HealthFrame(id=id_, at=at, status=Level(status), problems=dict(problems))
        case EndpointSeen(network=network, endpoint=endpoint):
            return RpcFrame(
                id=id_,
                at=at,
                network=network,
                endpoint=endpoint.name,
                state=endpoint.state,
                detail=endpoint.detail,
            )
        case _:
            assert_never(event)
