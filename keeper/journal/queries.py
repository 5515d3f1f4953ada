"""What the keeper asks of the tables besides appending to them."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict

from sqlalchemy import Connection, Row, delete, func, select, text, tuple_

from keeper.domain.fees import GasOffer
from keeper.domain.transaction import ENDED, Attempt, Fate, Flight, Outcome, Receipt, SignedTransaction, State
from keeper.domain.units import Gas, Wei
from keeper.journal.encoding import effect_of, plan_of
from keeper.journal.tables import accounts, attempts, orders, pushes, wei_sum
from keeper.ports import Account, Recovered

_MEET_ACCOUNT = text(
    "INSERT INTO keeper_accounts (network, chain_id, address) VALUES (:network, :chain_id, :address)"
    " ON CONFLICT DO NOTHING"
)
_BEGIN_TERM = text(
    "INSERT INTO keeper_terms (chain_id, address, epoch) VALUES (:chain_id, :address, 1)"
    " ON CONFLICT (chain_id, address) DO UPDATE SET epoch = keeper_terms.epoch + 1 RETURNING epoch"
)
_OPEN_STATES = [state.value for state in State if state not in ENDED]
_MAY_BE_OUT = frozenset({Fate.SIGNED, Fate.HELD, Fate.DOUBTFUL})


def account_id(connection: Connection, account: Account) -> int:
    """The number of the account in the tables, given now if it has none."""
    wanted = select(accounts.c.id).filter_by(**asdict(account))
    if (known := connection.execute(wanted).scalar()) is None:
        connection.execute(_MEET_ACCOUNT, asdict(account))
        known = connection.execute(wanted).scalar_one()
    return int(known)


def begin_term(connection: Connection, account: Account) -> int:
    """The account's next epoch, whatever its network is called: records of earlier ones are refused from now on."""
    key = {"chain_id": account.chain_id, "address": account.address}
    return int(connection.execute(_BEGIN_TERM, key).scalar_one())


def recover(connection: Connection, account_id: int) -> Recovered:
    """What has not ended. Whatever may have left the process counts as doubtful, and clocks start at 0."""
    latest = select(func.max(pushes.c.push)).where(pushes.c.account_id == account_id)
    wanted = (pushes.c.account_id == account_id) & pushes.c.state.in_(_OPEN_STATES)
    rows = connection.execute(select(pushes).where(wanted).order_by(pushes.c.nonce, pushes.c.push)).all()
    tried = defaultdict(list)
    of_push = (attempts.c.account_id == pushes.c.account_id) & (attempts.c.push == pushes.c.push)
    # An attempt at another nonce is one that the push gave up when it was renumbered.
    same_nonce = attempts.c.nonce == pushes.c.nonce
    found = select(attempts).join(pushes, of_push & same_nonce).where(wanted).order_by(attempts.c.seq)
    for row in connection.execute(found):
        tried[row.push].append(_attempt(row))
    flights = [_flight(row, tried[row.push]) for row in rows]
    return Recovered(flights, connection.execute(latest).scalar() or 0)


def spent(connection: Connection, account_id: int, since: float) -> Wei:
    """Cost of all transactions mined since then."""
    total = select(wei_sum(pushes.c.gas_cost), wei_sum(pushes.c.update_fee)).where(
        pushes.c.account_id == account_id, pushes.c.mined_at >= since
    )
    return Wei(sum(connection.execute(total).one()))


def prune(connection: Connection, before: float, most: int) -> int:
    """Delete pushes that ended before then, at most so many; the latest of each account stays, for its number.

    Orders from before then go as well.
    """
    connection.execute(delete(orders).where(orders.c.asked_at < before))
    latest = select(pushes.c.account_id, func.max(pushes.c.push)).group_by(pushes.c.account_id)
    key = tuple_(pushes.c.account_id, pushes.c.push)
    old = select(pushes.c.account_id, pushes.c.push).where(pushes.c.ended_at < before, key.not_in(latest)).limit(most)
    return connection.execute(delete(pushes).where(key.in_(old))).rowcount


def _flight(row: Row[tuple[object, ...]], tried: Iterable[Attempt]) -> Flight:
    return Flight(
        push=row.push,
        nonce=row.nonce,
        attempts=tuple(tried),
        receipt=None if row.tx_hash is None else _receipt(row),
        retries=row.retry_count,
        problem=row.problem,
    )


def _receipt(row: Row[tuple[object, ...]]) -> Receipt:
    writes, error = effect_of(row.metadata)
    return Receipt(
        tx_hash=row.tx_hash,
        block_number=row.block_number,
        block_hash=row.block_hash,
        succeeded=row.outcome not in {Outcome.REVERTED, Outcome.LOST_RACE},
        gas_used=Gas(row.gas_used),
        effective_gas_price=Wei(row.gas_price),
        l1_fee=Wei(row.l1_fee),
        writes=writes,
        error=error,
    )


def _attempt(row: Row[tuple[object, ...]]) -> Attempt:
    fate = Fate(row.fate)
    return Attempt(
        signed=SignedTransaction(row.raw, row.hash),
        offer=GasOffer(Wei(row.fee_cap), Wei(row.tip), row.legacy),
        plan=None if row.cancels else plan_of(row.plan, gas_limit=Gas(row.gas_limit), value=Wei(row.value)),
        fate=Fate.DOUBTFUL if fate in _MAY_BE_OUT else fate,
        since_block=row.since_block,
    )
