"""Whether pushes can be sent to a network: its endpoints, contract and account, and one push that is not sent."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from keeper.app.chains import CHAINS, KnownChain
from keeper.app.endpoints import Endpoint
from keeper.app.preflight.amounts import amount
from keeper.app.preflight.finding import Finding, State, tried
from keeper.app.preflight.rpc import check_endpoints
from keeper.app.preflight.signers import check_signers
from keeper.app.preflight.source import SourceReport
from keeper.domain.errors import Fatal, Transient
from keeper.domain.fees import FeeMarket, push_cost
from keeper.domain.gas import PushShape, model
from keeper.domain.signers import ByContract, SignerCheck
from keeper.domain.units import Gas, Wei
from keeper.evm.chain import EvmChain
from keeper.evm.rpc import RpcPool, transport
from keeper.ports import ChainState, Clock

CHAIN_ID = "chain id"
FEES = "fees"
CONTRACT = "contract"
BALANCE = "balance"
UPDATE_FEE = "update fee"
PUSH = "simulated push"

_DEADLINE_S = 3.0
_FEW_PUSHES = 1_000
"""About eight hours of them, at one every 30 seconds."""
_LEAST_GAS = model(PushShape(feeds=1, first_writes=0, blobs=1, signatures=1))
"""The estimate is lower for a price that is on chain already: the contract skips it."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What is pushed to, and by whom."""

    endpoints: Sequence[Endpoint]
    contract: str
    account: str
    chain_id: int | None
    """None where any chain will do."""
    signers: SignerCheck | ByContract | None
    """None where the contract alone judges."""
    admit: Callable[[int], None]
    """Told the chain's id; raises Fatal where it is another, or the account is used there by another network."""


@dataclass(frozen=True, slots=True)
class Trial:
    """How far a push came."""

    fee: Finding
    push: Finding
    cost: Wei | None = None
    """What it would have cost; None where that is not known."""


async def check_network(target: Target, *, source: Awaitable[SourceReport], clock: Clock) -> list[Finding]:
    """Check one network; the push is tried with a price of the source."""
    transports = [transport(endpoint.name, endpoint.url.get_secret_value()) for endpoint in target.endpoints]
    try:
        found = await check_endpoints(transports, clock=clock)
        if found.chain_id is None:
            return [*found.findings, *_all_skipped("no RPC endpoint answers")]
        chain_id = _chain_id(target, found.chain_id)
        if chain_id and chain_id[0].state is State.FAIL:
            return [*found.findings, *chain_id, *_all_skipped(f"{CHAIN_ID} failed")]
        pool = RpcPool(found.usable, clock=clock)
        try:
            chain = EvmChain(pool, contract=target.contract, account=target.account)
            return [*found.findings, *chain_id, *await _check_chain(chain, target, source, clock)]
        finally:
            await pool.close()
    finally:
        async with asyncio.TaskGroup() as group:
            for each in transports:
                group.create_task(each.close(), name=f"rpc {each.name} close")


def _chain_id(target: Target, served: int) -> list[Finding]:
    """Whether it is the chain that is wanted, with the account no other network's; nothing where any will do."""
    try:
        target.admit(served)
    except Fatal as exc:
        return [Finding(CHAIN_ID, State.FAIL, str(exc))]
    if target.chain_id is None:
        return []
    called = f" ({CHAINS[served].name})" if served in CHAINS else ""
    return [Finding(CHAIN_ID, State.OK, f"{served}{called}, as CHAIN_ID says")]


def _all_skipped(why: str) -> list[Finding]:
    return [_skipped(check, why) for check in (CONTRACT, BALANCE, UPDATE_FEE, PUSH)]


async def _check_chain(chain: EvmChain, target: Target, source: Awaitable[SourceReport], clock: Clock) -> list[Finding]:
    async with asyncio.TaskGroup() as group:
        looking = group.create_task(_tried(CONTRACT, _check_contract(chain, target.contract)), name=CONTRACT)
        reading = group.create_task(_tried(BALANCE, chain.read([])), name=BALANCE)
    contract, state = looking.result(), reading.result()
    known = CHAINS.get(target.chain_id or 0)
    samples = (await source).samples
    sample = next(iter(samples.values()), None)
    if contract.state is State.FAIL:
        trial = _not_tried(f"{CONTRACT} failed")
    elif sample is None:
        trial = _not_tried("there is no price to try it with")
    else:
        trial = await _try_push(chain, sample, state)
    others = [*samples.items()][1:] if trial.push.state in {State.OK, State.FAIL} else []
    return [
        *fee_style(known, state),
        contract,
        _balance(target.account, state, trial.cost),
        await check_signers(target.signers, samples, chain, clock),
        trial.fee,
        trial.push,
        *[await _try_other(chain, name, other) for name, other in others],
    ]


def fee_style(known: KnownChain | None, state: ChainState | Finding) -> list[Finding]:
    """Whether the chain's fees are what they are known to be; nothing where neither is known."""
    if known is None or known.fees is None or isinstance(state, Finding):
        return []
    if state.market.base_fee is None:
        told = f"{known.name} is known for {known.fees}, and the node tells no base fee: is it the right node?"
        return [Finding(FEES, State.WARN, told)]
    return [Finding(FEES, State.OK, f"{known.fees}, as known of {known.name}")]


async def _check_contract(chain: EvmChain, address: str) -> Finding:
    if not await chain.code_at(address):
        raise Fatal(f"there is no contract at {address} on this chain; check CONTRACT_ADDRESS and RPC_URL")
    try:
        await chain.push_fee([])
    except Transient as exc:
        raise Fatal(f"{address} does not answer as a Pyth contract does ({exc}); check CONTRACT_ADDRESS") from exc
    return Finding(CONTRACT, State.OK, f"{address} answers as a Pyth contract does")


async def _try_push(chain: EvmChain, sample: bytes, state: ChainState | Finding) -> Trial:
    """Ask what the sample costs to push, without sending anything."""
    fee = await _tried(UPDATE_FEE, chain.push_fee([sample]))
    if isinstance(fee, Finding):
        return Trial(fee, _skipped(PUSH, f"{UPDATE_FEE} failed"))
    fine = Finding(UPDATE_FEE, State.OK, f"{amount(fee)} for one feed")
    if isinstance(state, Finding) or not state.balance:
        return Trial(fine, _skipped(PUSH, f"{BALANCE} failed"))
    terms = await _tried(PUSH, chain.terms(sample))
    if isinstance(terms, Finding):
        return Trial(fine, terms)
    if terms.gas is None:
        return Trial(fine, Finding(PUSH, State.FAIL, f"the node refuses it: {terms.refusal}"))
    gas = max(terms.gas, _LEAST_GAS)
    cost = _cost(gas, state.market, fee)
    return Trial(fine, Finding(PUSH, State.OK, f"one feed takes about {gas:,} gas and costs {amount(cost)}"), cost)


async def _try_other(chain: EvmChain, source: str, sample: bytes) -> Finding:
    """The same push with the price of another source: the contract may trust one and not the other."""
    check = f"{PUSH} ({source})"
    terms = await _tried(check, chain.terms(sample))
    if isinstance(terms, Finding):
        return terms
    if terms.gas is None:
        return Finding(check, State.FAIL, f"the node refuses it: {terms.refusal}")
    return Finding(check, State.OK, "the contract takes the prices of this source too")


def _cost(gas: Gas, market: FeeMarket, fee: Wei) -> Wei:
    """What a push costs in the next block; on a rollup its share of L1 comes on top."""
    price = market.gas_price if market.base_fee is None else Wei(market.base_fee + market.tip)
    return push_cost(gas, price, Wei(0), fee).total


def _balance(account: str, state: ChainState | Finding, cost: Wei | None) -> Finding:
    if isinstance(state, Finding):
        return state
    return Finding(BALANCE, *runway(account, state.balance, cost))


def runway(account: str, balance: Wei, cost: Wei | None) -> tuple[State, str]:
    """Whether the balance pays for enough pushes at this cost, and in words how many; None is an unknown cost."""
    held = f"{account} holds {amount(balance)}"
    if balance == 0:
        return State.FAIL, f"{account} holds nothing; send it some of the native coin to pay with"
    if not cost:
        return State.OK, held
    pushes = balance // cost
    enough_for = f"{held}, enough for about {pushes:,} pushes of one feed"
    if pushes == 0:
        return State.FAIL, f"{held}, and one push costs {amount(cost)}; top it up"
    if pushes < _FEW_PUSHES:
        return State.WARN, f"{enough_for}; top it up soon"
    return State.OK, enough_for


def _not_tried(why: str) -> Trial:
    return Trial(_skipped(UPDATE_FEE, why), _skipped(PUSH, why))


def _skipped(check: str, why: str) -> Finding:
    return Finding(check, State.SKIPPED, why)


async def _tried(check: str, attempt: Awaitable[_T]) -> _T | Finding:
    return await tried(check, attempt, within_s=_DEADLINE_S)
