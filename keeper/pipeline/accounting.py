"""Tells what a push came to."""

from keeper.domain.accounting import cost_of, outcome_of
from keeper.domain.events import PushFinished
from keeper.domain.plan import Plan
from keeper.domain.transaction import Flight, Outcome, State


def finished(network: str, flight: Flight, *, now: float) -> PushFinished:
    """The flight is mined, has ended, or is left as it is; `now` is monotonic."""
    receipt = flight.receipt
    tried = flight.mined or (flight.newest if flight.attempts else None)
    plan = tried.plan if tried else None
    outcome = outcome_of(flight) or Outcome.UNRESOLVED
    return PushFinished(
        network=network,
        push=flight.push,
        outcome=outcome,
        feeds=plan.feed_ids if plan else (),
        written=tuple(write.feed_id for write in receipt.writes if plan and write.feed_id in plan.prices)
        if receipt
        else (),
        retries=flight.retries,
        detail=_detail(flight, outcome, plan),
        tx_hash=receipt.tx_hash if receipt else flight.newest.signed.hash if flight.out else None,
        block=receipt.block_number if receipt else None,
        gas_used=receipt.gas_used if receipt else None,
        gas_price=receipt.effective_gas_price if receipt else None,
        cost=cost_of(flight),
        latency_s=now - plan.newest_arrival if receipt and plan else None,
    )


def dropped(network: str, push: int, plan: Plan, detail: str) -> PushFinished:
    """A push that is not even tried."""
    return PushFinished(
        network=network,
        push=push,
        outcome=Outcome.DROPPED,
        feeds=plan.feed_ids,
        written=(),
        retries=0,
        detail=detail,
    )


def _detail(flight: Flight, outcome: Outcome, plan: Plan | None) -> str:
    match outcome:
        case Outcome.UNRESOLVED:
            return "still in flight when the keeper stopped"
        case Outcome.SUPERSEDED:
            return "its nonce was used by another transaction"
        case Outcome.REVERTED if flight.receipt is not None and plan is not None:
            after = f"reverted after {flight.receipt.gas_used} of {plan.gas_limit} gas"
            return f"{after}: {flight.receipt.error}" if flight.receipt.error else after
        case Outcome.DROPPED | Outcome.FAILED if flight.end is State.RELEASED:
            return flight.problem or "nothing is due any more"
        case _:
            return ""
