"""Every event is one line: its level, its stable name, its fields, and a sentence for people."""

import dataclasses
import logging
from typing import Any, get_args

import pytest

from keeper.app.event_lines import level_of, line_of
from keeper.app.lines import FeedNames, coins
from keeper.app.log_events import HealthLine, LogEvents
from keeper.domain.budget import FREELY, Allowance, SpendLimit, SpendMode
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
from keeper.domain.fees import Cost
from keeper.domain.orders import Pause
from keeper.domain.policy import Reason
from keeper.domain.transaction import Outcome
from keeper.domain.units import FeedId, Gas, Wei
from tests.support.settings import BTC, ETH
from tests.support.status import KEEPER, NETWORK, NOW, SOURCE

NAMES = FeedNames({FeedId(BTC): "BTC/USD", FeedId(ETH): ETH})
FEEDS = (FeedId(BTC), FeedId(ETH))
PLANNED = PushPlanned(
    network="evm",
    push=7,
    feeds=((FEEDS[0], Reason.DEVIATION), (FEEDS[1], Reason.JOINS_CHEAPER)),
    gas=Gas(121_000),
    update_fee=Wei(2),
    dry_run=False,
)
CONFIRMED = PushFinished(
    network="evm",
    push=7,
    outcome=Outcome.CONFIRMED,
    feeds=FEEDS,
    written=FEEDS[:1],
    retries=1,
    tx_hash=b"\x01" * 32,
    block=123,
    gas_used=Gas(120_956),
    gas_price=Wei(2_000_000_001),
    cost=Cost(gas=Wei(241_912_000_120_956), update_fee=Wei(2)),
    latency_s=0.4124,
)
"""Push 7, in which BTC/USD was written."""
PAUSE = Pause("alice", NOW)
SPENT = SpendModeChanged(
    network="evm",
    allowance=Allowance(SpendMode.HEARTBEAT_ONLY, SpendLimit.DAILY_BUDGET),
    spent_today=Wei(10**17),
    balance=Wei(10**18),
)
BROKE = dataclasses.replace(SPENT, allowance=Allowance(SpendMode.STOPPED, SpendLimit.LOW_BALANCE), balance=Wei(5))
EVENTS: tuple[tuple[Event, str, str], ...] = (
    (SourceConnected("hermes"), "INFO", "source_connected"),
    (SourceLost("hermes", "went silent"), "WARNING", "source_lost"),
    (SourcePolling("hermes", active=True), "WARNING", "source_polling"),
    (SourcePolling("hermes", active=False), "INFO", "source_polling_ended"),
    (SourceProblem("hermes", "bad data"), "WARNING", "source_problem"),
    (SourceStoodDown("hermes"), "INFO", "source_stood_down"),
    (SourceDistrusted("main", "hermes", "InvalidWormholeVaa"), "ERROR", "source_distrusted"),
    (SourceTrusted("main", "hermes"), "INFO", "source_trusted"),
    (ChainRead("evm", 12, Wei(10**18), 3), "DEBUG", "chain_read"),
    (ContractChanged("evm", "FeeSet", 12), "WARNING", "contract_changed"),
    (FollowModeChanged("evm", "polling"), "INFO", "follow_mode"),
    (ChainReadFailed("evm", "no endpoint answers"), "WARNING", "chain_read_failed"),
    (ForceRequested("evm", "signal", 2), "INFO", "force_requested"),
    (ForceRequested("evm", "timer", 2), "DEBUG", "force_requested"),
    (ForceRefused("evm", "control", 2, "alice", PAUSE), "WARNING", "force_refused"),
    (ForceRefused("evm", "timer", 2, "", PAUSE), "DEBUG", "force_refused"),
    (PushingPaused("evm", PAUSE), "WARNING", "pushing_paused"),
    (PushingResumed("evm", PAUSE), "WARNING", "pushing_resumed"),
    (NothingToPush("evm", "control"), "INFO", "nothing_to_push"),
    (NothingToPush("evm", "timer"), "DEBUG", "nothing_to_push"),
    (PLANNED, "DEBUG", "push_planned"),
    (dataclasses.replace(PLANNED, dry_run=True), "INFO", "push_planned"),
    (PushSent("evm", 7, 3, b"\x02" * 32, FEEDS, "node", 0.0021), "DEBUG", "push_sent"),
    (PushRetried("evm", 7, 1, "no endpoint answers", 5.0), "WARNING", "push_retried"),
    (PushOrphaned("evm", 7, b"\x02" * 32), "WARNING", "push_orphaned"),
    (PushFinal("evm", 7, b"\x02" * 32), "DEBUG", "push_final"),
    (FeeCapReached("evm", 7, Wei(10**9)), "WARNING", "fee_cap_reached"),
    (FailingRepeatedly("evm", 5, "no endpoint answers"), "CRITICAL", "failing_repeatedly"),
    (CONFIRMED, "INFO", "push_confirmed"),
    (dataclasses.replace(CONFIRMED, outcome=Outcome.NOTHING_NEWER), "INFO", "push_nothing_newer"),
    (dataclasses.replace(CONFIRMED, outcome=Outcome.LOST_RACE), "INFO", "push_lost_race"),
    (dataclasses.replace(CONFIRMED, outcome=Outcome.REVERTED), "ERROR", "push_reverted"),
    (dataclasses.replace(CONFIRMED, outcome=Outcome.DROPPED), "ERROR", "push_dropped"),
    (dataclasses.replace(CONFIRMED, outcome=Outcome.CANCELLED), "WARNING", "push_cancelled"),
    (dataclasses.replace(CONFIRMED, outcome=Outcome.SUPERSEDED), "WARNING", "push_superseded"),
    (dataclasses.replace(CONFIRMED, outcome=Outcome.UNRESOLVED), "WARNING", "push_unresolved"),
    (PushFinished("evm", 8, Outcome.FAILED, FEEDS, (), 3, "no endpoint answers"), "ERROR", "push_failed"),
    (SPENT, "WARNING", "spend_mode"),
    (BROKE, "ERROR", "spend_mode"),
    (dataclasses.replace(SPENT, allowance=FREELY), "INFO", "spend_mode"),
    (BudgetNearlySpent("evm", Wei(8 * 10**17), Wei(10**18)), "WARNING", "budget_nearly_spent"),
    (BalanceLow("evm", Wei(10**18), 81_000), "WARNING", "balance_low"),
    (PushHeld("evm", FEEDS), "DEBUG", "push_held_by_budget"),
    (LeadershipGained("evm", "31337-0xab", 3), "INFO", "leadership_gained"),
    (OthersInFlight("evm", (7, 8), 24.0), "WARNING", "others_in_flight"),
    (LeadershipLost("evm", "31337-0xab", 3, "given back", planned=True), "INFO", "leadership_lost"),
    (LeadershipLost("evm", "31337-0xab", 3, "too late", planned=False), "WARNING", "leadership_lost"),
    (CoordinationFailed("cannot be reached"), "ERROR", "coordination_failed"),
    (CoordinationRecovered(), "INFO", "coordination_recovered"),
    (JournalFailed("the disk is full"), "CRITICAL", "journal_failed"),
    (JournalRecovered(backlog=7, lost=0), "INFO", "journal_recovered"),
)


@pytest.fixture
def heard(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """Whatever the keeper's loggers are told, at every level."""
    caplog.set_level(logging.DEBUG, logger="keeper")
    return caplog


def fields_of(record: logging.LogRecord) -> dict[str, Any]:
    return vars(record)["fields"]  # type: ignore[no-any-return]


def text_of(record: logging.LogRecord) -> str:
    return str(vars(record)["text"])


@pytest.mark.parametrize(("event", "level", "name"), EVENTS)
def test_an_event_is_one_line_with_its_level_and_name(
    event: Event, level: str, name: str, heard: pytest.LogCaptureFixture
) -> None:
    LogEvents({})(event)
    (record,) = heard.records
    assert (record.levelname, record.getMessage()) == (level, name)
    assert text_of(record)
    about_all = isinstance(event, JournalFailed | JournalRecovered | CoordinationFailed | CoordinationRecovered)
    assert about_all or fields_of(record).keys() & {"source", "network"}


def test_every_kind_of_event_is_covered_here() -> None:
    assert {type(event) for event, _, _ in EVENTS} == set(get_args(Event))
    assert {event.outcome for event, _, _ in EVENTS if isinstance(event, PushFinished)} == {
        outcome for outcome in Outcome if outcome is not Outcome.HELD_BY_BUDGET
    }


@pytest.mark.parametrize(("event", "level", "name"), EVENTS)
def test_an_event_below_the_level_is_not_logged(
    event: Event, level: str, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(level_of(event) + 1, logger="keeper"):
        LogEvents({})(event)
    assert not caplog.records, f"{name} is only for {level}"


def test_a_push_is_told_with_names_reasons_cost_and_time() -> None:
    reasons = {FEEDS[0]: Reason.DEVIATION}
    line = line_of(CONFIRMED, NAMES, reasons)
    assert line.text == (
        "evm push 7 confirmed in block 123: BTC/USD (deviation), ff61491a, 120,956 gas, cost 0.0002419 coins, 0.41 s"
    )
    assert line.fields == {
        "network": "evm",
        "push": 7,
        "outcome": "confirmed",
        "feeds": ["BTC/USD", "ff61491a"],
        "reasons": {"BTC/USD": "deviation"},
        "written": ["BTC/USD"],
        "retries": 1,
        "tx_hash": f"0x{'01' * 32}",
        "block": 123,
        "gas_used": 120_956,
        "gas_price_gwei": "2.000000001",
        "gas_cost": "0.000241912000120956",
        "update_fee": "0.000000000000000002",
        "latency_ms": 412.4,
    }


def test_a_limit_on_spending_is_told_with_its_figures() -> None:
    line = line_of(SPENT, NAMES, {})
    assert line.text == (
        "evm sends heartbeats only: the budget of the day is spent; 0.1000 coins spent today, balance 1.000 coins"
    )
    assert line.fields == {
        "network": "evm",
        "mode": "heartbeat_only",
        "limit": "daily_budget",
        "spent_today": "0.1",
        "balance": "1",
    }


def test_what_is_asked_for_and_not_pushed_is_told_with_the_limit_that_holds_it() -> None:
    held = NothingToPush("evm", "signal", Allowance(SpendMode.HEARTBEAT_ONLY, SpendLimit.DAILY_BUDGET))
    assert "the budget of the day is spent" in line_of(held, NAMES, {}).text
    assert "nothing is newer" in line_of(NothingToPush("evm", "signal"), NAMES, {}).text


@pytest.mark.parametrize(
    ("wei", "text"), [(10**22, "10000 coins"), (123_456 * 10**16, "1235 coins"), (5, "0.000000000000000005 coins")]
)
def test_an_amount_is_read_without_an_exponent(wei: int, text: str) -> None:
    assert coins(Wei(wei)) == text


def test_a_low_balance_is_told_with_the_hours_it_lasts() -> None:
    line = line_of(BalanceLow("evm", Wei(10**18), 81_000), NAMES, {})
    assert line.text == "evm: the balance of 1.000 coins lasts for about 22.5 h, send coins"
    assert line.fields == {"network": "evm", "balance": "1", "runway_hours": 22.5}


def test_the_end_of_a_push_tells_the_reasons_it_was_planned_for(heard: pytest.LogCaptureFixture) -> None:
    log_events = LogEvents({FEEDS[0]: "BTC/USD"})
    log_events(PLANNED)
    log_events(CONFIRMED)
    assert fields_of(heard.records[-1])["reasons"] == {"BTC/USD": "deviation", "ff61491a": "joins_cheaper"}


def test_many_feeds_are_counted_in_the_sentence_and_listed_in_the_fields() -> None:
    feeds = tuple(FeedId(f"{number:064x}") for number in range(500))
    line = line_of(
        dataclasses.replace(CONFIRMED, feeds=feeds), FeedNames({feed: f"F{int(feed, 16)}" for feed in feeds}), {}
    )
    assert "F0, F1, F2, F3, F4 and 495 more" in line.text
    assert len(line.fields["feeds"]) == 500


def test_a_push_that_failed_tells_why_and_leaves_out_what_it_has_not() -> None:
    failed = PushFinished("evm", 8, Outcome.FAILED, FEEDS, (), 3, "no endpoint answers")
    line = line_of(failed, NAMES, {})
    assert line.text == "evm push 8 failed: BTC/USD, ff61491a, no endpoint answers"
    assert "tx_hash" not in line.fields


def test_the_health_line_tells_status_uptime_and_failures(heard: pytest.LogCaptureFixture) -> None:
    HealthLine().tell(KEEPER)
    (record,) = heard.records
    assert (record.levelname, record.getMessage()) == ("INFO", "health")
    assert fields_of(record)["status"] == "healthy"
    assert fields_of(record)["uptime"] == int(KEEPER.now - KEEPER.started_at)
    assert fields_of(record)["consecutiveFailures"] == 0
    assert fields_of(record)["problems"] == {}
    assert text_of(record).startswith("healthy, up ")


def test_the_health_line_of_an_ill_keeper_warns_and_names_the_problem(heard: pytest.LogCaptureFixture) -> None:
    silent = dataclasses.replace(SOURCE, last_event_at=NOW - 300)
    failing = dataclasses.replace(NETWORK, consecutive_failures=2)
    HealthLine().tell(dataclasses.replace(KEEPER, sources=(silent,), networks=(failing,)))
    (record,) = heard.records
    assert record.levelname == "ERROR"
    assert fields_of(record)["consecutiveFailures"] == 2
    assert "source:hermes" in fields_of(record)["problems"]
    assert "source:hermes" in text_of(record)


def test_the_health_line_is_rare_while_all_is_well_and_comes_at_once_when_it_is_not() -> None:
    line, told = HealthLine(), []
    silent = dataclasses.replace(SOURCE, last_event_at=NOW - 300)
    for minute in range(12):
        ill = minute in {7, 8}
        status = dataclasses.replace(KEEPER, now=NOW + 60 * minute)
        fresh = dataclasses.replace(SOURCE, last_event_at=status.now)
        status = dataclasses.replace(status, sources=(silent if ill else fresh,))
        if line.tell(status):
            told.append(minute)
    assert told == [0, 5, 7, 8, 9]
