"""What a push came to: how it ended, what it cost, and which feed bears how much of that."""

from keeper.domain.fees import Cost, push_cost, shared
from keeper.domain.gas import PER_FEED, PER_FIRST_WRITE
from keeper.domain.plan import Plan
from keeper.domain.policy import Reason
from keeper.domain.transaction import Attempt, Fate, Flight, Outcome, Receipt, State
from keeper.domain.units import FeedId, Wei

NO_FRESH_UPDATE = "NoFreshUpdate"
"""The contract's error where none of a push's conditions holds any more."""


def outcome_of(flight: Flight) -> Outcome | None:
    """How the push ended, as far as it is known yet: a receipt tells it even while a reorganisation may undo it."""
    if flight.receipt is not None:
        return _outcome_on_chain(flight.receipt, flight.mined)
    if flight.end is State.SUPERSEDED:
        return Outcome.SUPERSEDED
    if flight.end is State.RELEASED:
        unsent = bool(flight.attempts) and flight.newest.fate is Fate.UNSENT
        return Outcome.FAILED if unsent else Outcome.DROPPED
    return None


def _outcome_on_chain(receipt: Receipt, mined: Attempt | None) -> Outcome:
    if not receipt.succeeded:
        return Outcome.LOST_RACE if receipt.error == NO_FRESH_UPDATE else Outcome.REVERTED
    if mined is None:
        return Outcome.CONFIRMED if receipt.writes else Outcome.NOTHING_NEWER
    if mined.plan is None:
        return Outcome.CANCELLED
    planned = set(mined.plan.feed_ids)
    return Outcome.CONFIRMED if any(write.feed_id in planned for write in receipt.writes) else Outcome.NOTHING_NEWER


def cost_of(flight: Flight) -> Cost | None:
    """What the mined transaction took from the account; None while there is none."""
    receipt = flight.receipt
    if receipt is None:
        return None
    plan = flight.mined.plan if flight.mined is not None else None
    value = plan.value if plan is not None and receipt.succeeded else Wei(0)
    return push_cost(receipt.gas_used, receipt.effective_gas_price, receipt.l1_fee, value)


def cost_by_feed(flight: Flight) -> dict[FeedId, Cost]:
    """The cost split over the feeds it was for, exact to the wei; empty where it was for none.

    A no-op is paid for the feeds that were tried last.
    """
    cost, plan = cost_of(flight), _paid_for(flight)
    if cost is None or plan is None:
        return {}
    weights = [PER_FEED + PER_FIRST_WRITE * (reason is Reason.NEVER_PUSHED) for _, reason in plan.feeds]
    return dict(zip(plan.feed_ids, shared(cost, weights), strict=True))


def _paid_for(flight: Flight) -> Plan | None:
    latest_last = flight.attempts if flight.mined is None else (*flight.attempts, flight.mined)
    return next((attempt.plan for attempt in reversed(latest_last) if attempt.plan is not None), None)
