"""What an event is in the log: how urgent, its stable name, its fields for machines and a sentence for people."""

import logging
from collections.abc import Mapping
from typing import Any, assert_never

from keeper.app.journal_lines import journal_level, journal_line
from keeper.app.leadership_lines import leadership_level, leadership_line
from keeper.app.lines import FeedNames, Line, coins, listed
from keeper.app.order_lines import order_level, order_line
from keeper.app.source_lines import source_level, source_line
from keeper.app.spending_lines import spending_level, spending_line
from keeper.domain.events import (
    BalanceLow,
    BudgetNearlySpent,
    ChainRead,
    ChainReadFailed,
    ContractChanged,
    CoordinationFailed,
    CoordinationRecovered,
    Event,
    FailingRepeatedly,
    FeeCapReached,
    FollowModeChanged,
    ForceRefused,
    ForceRequested,
    JournalFailed,
    JournalRecovered,
    LeadershipGained,
    LeadershipLost,
    NothingToPush,
    OthersInFlight,
    PushFinal,
    PushFinished,
    PushHeld,
    PushingPaused,
    PushingResumed,
    PushOrphaned,
    PushPlanned,
    PushRetried,
    PushSent,
    SourceConnected,
    SourceDistrusted,
    SourceLost,
    SourcePolling,
    SourceProblem,
    SourceStoodDown,
    SourceTrusted,
    SpendModeChanged,
)
from keeper.domain.policy import Reason
from keeper.domain.transaction import Outcome
from keeper.domain.units import FeedId
from keeper.server.decimals import decimal_text, native_text

_GWEI_EXPONENT = -9
_LEVEL_BY_OUTCOME = {
    Outcome.CONFIRMED: logging.INFO,
    Outcome.NOTHING_NEWER: logging.INFO,
    Outcome.LOST_RACE: logging.INFO,
    Outcome.SUPERSEDED: logging.WARNING,
    Outcome.UNRESOLVED: logging.WARNING,
    Outcome.REVERTED: logging.ERROR,
    Outcome.DROPPED: logging.ERROR,
    Outcome.FAILED: logging.ERROR,
    Outcome.CANCELLED: logging.WARNING,
    Outcome.HELD_BY_BUDGET: logging.WARNING,
}


def level_of(event: Event) -> int:
    """How urgent it is, as logging counts. Every step of a push is for debugging, its end is for everybody."""
    match event:
        case ChainRead() | PushSent() | PushFinal() | PushPlanned():
            level = logging.INFO if isinstance(event, PushPlanned) and event.dry_run else logging.DEBUG
        case ForceRequested() | ForceRefused() | NothingToPush() | PushingPaused() | PushingResumed():
            level = order_level(event)
        case (
            SourceConnected()
            | SourceLost()
            | SourcePolling()
            | SourceProblem()
            | SourceStoodDown()
            | SourceDistrusted()
            | SourceTrusted()
        ):
            level = source_level(event)
        case (
            FollowModeChanged()
            | ChainReadFailed()
            | ContractChanged()
            | PushRetried()
            | PushOrphaned()
            | FeeCapReached()
        ):
            level = logging.INFO if isinstance(event, FollowModeChanged) else logging.WARNING
        case SpendModeChanged() | BudgetNearlySpent() | BalanceLow() | PushHeld():
            level = spending_level(event)
        case LeadershipGained() | LeadershipLost() | OthersInFlight() | CoordinationFailed() | CoordinationRecovered():
            level = leadership_level(event)
        case FailingRepeatedly():
            level = logging.CRITICAL
        case JournalFailed() | JournalRecovered():
            level = journal_level(event)
        case PushFinished():
            level = _LEVEL_BY_OUTCOME[event.outcome]
        case _:
            assert_never(event)
    return level


def line_of(event: Event, names: FeedNames, reasons: Mapping[FeedId, Reason]) -> Line:
    """The line for an event; `reasons` are those for which its feeds were found due, as far as known."""
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
            line = source_line(event)
        case ChainRead() | ChainReadFailed() | FollowModeChanged() | ContractChanged() | FailingRepeatedly():
            line = _network_line(event)
        case LeadershipGained() | LeadershipLost() | OthersInFlight() | CoordinationFailed() | CoordinationRecovered():
            line = leadership_line(event)
        case ForceRequested() | ForceRefused() | NothingToPush() | PushingPaused() | PushingResumed():
            line = order_line(event)
        case PushPlanned() | PushSent() | PushRetried() | PushOrphaned() | PushFinal() | FeeCapReached():
            line = _step_line(event, names)
        case PushFinished():
            line = _finished_line(event, names, reasons)
        case SpendModeChanged() | BudgetNearlySpent() | BalanceLow() | PushHeld():
            line = spending_line(event, names)
        case JournalFailed() | JournalRecovered():
            line = journal_line(event)
        case _:
            assert_never(event)
    return line


def _chain_line(event: FollowModeChanged | ContractChanged) -> Line:
    network = {"network": event.network}
    match event:
        case FollowModeChanged(mode=mode):
            return Line("follow_mode", f"{event.network} is followed: {mode}", network | {"mode": mode})
        case ContractChanged(what=what, block=block):
            text = f"{event.network}: the contract has changed at block {block}: {what}"
            return Line("contract_changed", text, network | {"what": what, "block": block})
        case _:
            assert_never(event)


def _network_line(
    event: ChainRead | ChainReadFailed | FollowModeChanged | ContractChanged | FailingRepeatedly,
) -> Line:
    network = {"network": event.network}
    match event:
        case ChainRead():
            fields = {"block": event.block, "balance": native_text(event.balance), "nonce": event.nonce}
            nonce = "" if event.nonce is None else f", nonce {event.nonce}"
            text = f"{event.network} read at block {event.block}: balance {coins(event.balance)}{nonce}"
            return Line("chain_read", text, network | fields)
        case ChainReadFailed(error=error):
            text = f"{event.network} cannot be read, its last known state stays in force: {error}"
            return Line("chain_read_failed", text, network | {"error": error})
        case FollowModeChanged() | ContractChanged():
            return _chain_line(event)
        case FailingRepeatedly(failures=failures, cause=cause):
            text = f"{event.network} has failed {failures} times in a row, the last time because: {cause}"
            return Line("failing_repeatedly", text, network | {"failures": failures, "cause": cause})
        case _:
            assert_never(event)


def _step_line(
    event: PushPlanned | PushSent | PushRetried | PushOrphaned | PushFinal | FeeCapReached, names: FeedNames
) -> Line:
    push = f"{event.network} push {event.push}"
    fields: dict[str, Any] = {"network": event.network, "push": event.push}
    match event:
        case PushPlanned():
            feeds = names.of(feed for feed, _ in event.feeds)
            due = dict(zip(feeds, (reason.value for _, reason in event.feeds), strict=True))
            verb = "would be sent" if event.dry_run else "planned"
            told_feeds = listed([f"{name} ({reason})" for name, reason in due.items()])
            text = f"{push} {verb}: {told_feeds}, about {event.gas:,} gas, fee {coins(event.update_fee)}"
            told = {"feeds": feeds, "reasons": due, "gas": event.gas, "update_fee": native_text(event.update_fee)}
            return Line("push_planned", text, fields | told | {"dry_run": event.dry_run})
        case PushSent():
            feeds = names.of(event.feeds)
            sent_ms = round(event.event_to_sent_s * 1000, 1)
            tx_hash = f"0x{event.tx_hash.hex()}"
            verb = "replaced at" if event.replaces else "sent to"
            text = f"{push} {verb} {event.endpoint} {sent_ms} ms after its price: {listed(feeds)}"
            told = {"feeds": feeds, "nonce": event.nonce, "tx_hash": tx_hash, "endpoint": event.endpoint}
            told |= {"replaces": event.replaces}
            return Line("push_sent", text, fields | told | {"event_to_sent_ms": sent_ms})
        case PushRetried():
            text = f"{push} attempt {event.attempt} failed, next one in {event.delay_s:g} s: {event.error}"
            told = {"attempt": event.attempt, "error": event.error, "delay_s": event.delay_s}
            return Line("push_retried", text, fields | told)
        case PushOrphaned(tx_hash=mined):
            text = f"{push} was taken back by a reorganisation and is in flight again"
            return Line("push_orphaned", text, fields | {"tx_hash": f"0x{mined.hex()}"})
        case PushFinal(tx_hash=mined):
            return Line("push_final", f"{push} is final", fields | {"tx_hash": f"0x{mined.hex()}"})
        case FeeCapReached(max_fee=cap):
            gwei = decimal_text(cap, _GWEI_EXPONENT)
            text = f"{push} would need more than MAX_FEE_GWEI ({gwei}): it waits for lower fees"
            return Line("fee_cap_reached", text, fields | {"max_fee_gwei": gwei})
        case _:
            assert_never(event)


def _finished_line(event: PushFinished, names: FeedNames, reasons: Mapping[FeedId, Reason]) -> Line:
    feeds = names.of(event.feeds)
    known = {name: reasons[feed].value for feed, name in zip(event.feeds, feeds, strict=True) if feed in reasons}
    outcome = event.outcome.value
    cost = event.cost
    fields = {
        "network": event.network,
        "push": event.push,
        "outcome": outcome,
        "feeds": feeds,
        "reasons": known,
        "written": names.of(event.written),
        "retries": event.retries,
        "detail": event.detail or None,
        "tx_hash": f"0x{event.tx_hash.hex()}" if event.tx_hash is not None else None,
        "block": event.block,
        "gas_used": event.gas_used,
        "gas_price_gwei": decimal_text(event.gas_price, _GWEI_EXPONENT) if event.gas_price is not None else None,
        "gas_cost": native_text(cost.gas) if cost is not None else None,
        "update_fee": native_text(cost.update_fee) if cost is not None else None,
        "latency_ms": round(event.latency_s * 1000, 1) if event.latency_s is not None else None,
    }
    told = [
        listed([f"{name} ({known[name]})" if name in known else name for name in feeds]),
        event.detail,
        f"{event.gas_used:,} gas" if event.gas_used is not None else "",
        f"cost {coins(cost.total)}" if cost is not None else "",
        f"{event.latency_s:.2f} s" if event.latency_s is not None else "",
    ]
    block = f" in block {event.block}" if event.block is not None else ""
    text = f"{event.network} push {event.push} {outcome.replace('_', ' ')}{block}: {', '.join(filter(None, told))}"
    return Line(f"push_{outcome}", text, {name: value for name, value in fields.items() if value is not None})
