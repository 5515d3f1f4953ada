"""What a record changes in the tables: the rows to write, given what they hold already."""

from collections.abc import Iterable
from typing import NamedTuple

from keeper.domain.accounting import cost_by_feed, cost_of, outcome_of
from keeper.domain.transaction import Attempt, Fate, Flight
from keeper.journal.encoding import encode_effect, encode_plan
from keeper.ports import Note

_LEFT = frozenset({Fate.HELD, Fate.DOUBTFUL})
_LONGEST_TEXT = 2_000


class PushRow(NamedTuple):
    """A row of `pushes` besides its account, amounts as text."""

    push: int
    nonce: int
    state: str
    outcome: str | None
    retry_count: int
    problem: str
    decided_at: float
    mined_at: float | None
    ended_at: float | None
    tx_hash: bytes | None
    block_number: int | None
    block_hash: bytes | None
    gas_used: int | None
    gas_price: str | None
    gas_cost: str | None
    l1_fee: str | None
    update_fee: str | None
    metadata: str


class AttemptRow(NamedTuple):
    """A row of `attempts` besides its push, amounts as text."""

    hash: bytes
    fate: str
    signed_at: float
    sent_at: float | None
    since_block: int
    fee_cap: str
    tip: str
    legacy: bool
    gas_limit: int | None
    value: str
    cancels: bool
    plan: str | None
    raw: bytes


class FateRow(NamedTuple):
    """What may change of an attempt."""

    hash: bytes
    fate: str
    sent_at: float | None
    since_block: int


class FeedCostRow(NamedTuple):
    """A row of `feed_costs` besides its push, amounts as text."""

    feed: bytes
    gas_cost: str
    update_fee: str


class NoteRow(NamedTuple):
    """A row of `notes` besides its push."""

    at: float
    kind: str
    tx_hash: bytes
    endpoint: str
    detail: str


class Changes(NamedTuple):
    """All of one record."""

    push: PushRow
    note: NoteRow
    attempts: list[AttemptRow]
    """New ones; or all of them, without their bytes, at the end."""
    fates: list[FateRow]
    """Of attempts that are in the table."""
    feed_costs: list[FeedCostRow] | None
    """All of the push's; None leaves them as they are."""


def changes(before: Flight | None, flight: Flight, note: Note) -> Changes:
    """The rows to write for a flight; `before` is what the tables hold for certain, if anything."""
    known = {} if before is None or flight.end is not None else {each.signed.hash: each for each in before.attempts}
    fresh = [each for each in flight.attempts if each.signed.hash not in known]
    kept = [each for each in flight.attempts if each.signed.hash in known]
    return Changes(
        push=_push_row(flight, note),
        note=NoteRow(note.at, note.kind, note.tx_hash or b"", _clean(note.endpoint), _clean(note.detail)),
        attempts=[_attempt_row(each, note.at, keep_bytes=flight.end is None) for each in fresh],
        fates=list(_fate_rows(kept, known, note.at)),
        feed_costs=None if _costs_stand(before, flight, note) else _feed_cost_rows(flight),
    )


def _costs_stand(before: Flight | None, flight: Flight, note: Note) -> bool:
    """Whether what the tables say of costs still holds; before its first transaction a push has none."""
    if before is None:
        return note.kind == "signed" and len(flight.attempts) == 1
    return before.receipt == flight.receipt


def _push_row(flight: Flight, note: Note) -> PushRow:
    receipt, cost, outcome = flight.receipt, cost_of(flight), outcome_of(flight)
    return PushRow(
        push=flight.push,
        nonce=flight.nonce,
        state=flight.state.value,
        outcome=None if outcome is None else outcome.value,
        retry_count=flight.retries,
        problem=_clean(flight.problem),
        decided_at=note.at,
        mined_at=None if receipt is None else note.at,
        ended_at=None if flight.end is None else note.at,
        tx_hash=None if receipt is None else receipt.tx_hash,
        block_number=None if receipt is None else receipt.block_number,
        block_hash=None if receipt is None else receipt.block_hash,
        gas_used=None if receipt is None else receipt.gas_used,
        gas_price=None if receipt is None else str(receipt.effective_gas_price),
        gas_cost=None if cost is None else str(cost.gas),
        l1_fee=None if receipt is None else str(receipt.l1_fee),
        update_fee=None if cost is None else str(cost.update_fee),
        metadata=encode_effect(receipt),
    )


def _attempt_row(attempt: Attempt, at: float, *, keep_bytes: bool) -> AttemptRow:
    plan = attempt.plan
    return AttemptRow(
        hash=attempt.signed.hash,
        fate=attempt.fate.value,
        signed_at=at,
        sent_at=at if attempt.fate in _LEFT else None,
        since_block=attempt.since_block,
        fee_cap=str(attempt.offer.fee_cap),
        tip=str(attempt.offer.tip),
        legacy=attempt.offer.legacy,
        gas_limit=None if plan is None else plan.gas_limit,
        value="0" if plan is None else str(plan.value),
        cancels=plan is None,
        plan=None if plan is None else encode_plan(plan),
        raw=attempt.signed.raw if keep_bytes else b"",
    )


def _fate_rows(attempts: Iterable[Attempt], known: dict[bytes, Attempt], at: float) -> Iterable[FateRow]:
    for each in attempts:
        before = known[each.signed.hash]
        if (each.fate, each.since_block) != (before.fate, before.since_block):
            sent_at = at if each.fate in _LEFT else None
            yield FateRow(each.signed.hash, each.fate.value, sent_at, each.since_block)


def _feed_cost_rows(flight: Flight) -> list[FeedCostRow]:
    return [
        FeedCostRow(bytes.fromhex(feed_id), str(cost.gas), str(cost.update_fee))
        for feed_id, cost in cost_by_feed(flight).items()
    ]


def _clean(text: str) -> str:
    """Words of a stranger as both databases take them: bounded, without NUL and half characters."""
    return text[:_LONGEST_TEXT].replace("\0", "\ufffd").encode(errors="replace").decode()
