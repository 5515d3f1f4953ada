"""Whether the RPC endpoints answer, each by itself, and serve one and the same chain."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from keeper.app.preflight.finding import Finding, State
from keeper.domain.errors import Transient
from keeper.evm.errors import result_of
from keeper.evm.transport import Transport
from keeper.evm.wire import Call, quantity
from keeper.ports import Clock

_DEADLINE_S = 4.0


@dataclass(frozen=True, slots=True)
class EndpointsReport:
    """What was found, one finding an endpoint, and what can be used of it."""

    findings: tuple[Finding, ...]
    usable: tuple[Transport, ...]
    chain_id: int | None
    """Of the first endpoint that answers; None where none does."""


@dataclass(frozen=True, slots=True)
class _Answer:
    """What one endpoint says: its chain, or what is wrong with it."""

    chain_id: int | None
    problem: str
    took_s: float


async def check_endpoints(transports: Sequence[Transport], *, clock: Clock) -> EndpointsReport:
    """Ask all of them for their chain ids, at once."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_ask(each, clock), name=f"rpc {each.name}") for each in transports]
    answers = [(transport, task.result()) for transport, task in zip(transports, tasks, strict=True)]
    chain_id = next((answer.chain_id for _, answer in answers if answer.chain_id is not None), None)
    findings = [_finding(transport.name, answer, chain_id) for transport, answer in answers]
    usable = [transport for transport, answer in answers if answer.chain_id is not None and answer.chain_id == chain_id]
    return EndpointsReport(tuple(findings), tuple(usable), chain_id)


async def _ask(transport: Transport, clock: Clock) -> _Answer:
    started = clock.monotonic()
    try:
        (response,) = await transport.exchange([Call("eth_chainId")], timeout_s=_DEADLINE_S)
        return _Answer(quantity(result_of(response)), "", clock.monotonic() - started)
    except Transient as exc:
        return _Answer(None, str(exc), clock.monotonic() - started)


def _finding(name: str, answer: _Answer, chain_id: int | None) -> Finding:
    check = f"rpc {name}"
    if chain_id is None:
        return Finding(check, State.FAIL, f"{answer.problem}; check RPC_URL and the node")
    if answer.chain_id is None:
        return Finding(check, State.WARN, f"{answer.problem}; other endpoints stand in for it")
    if answer.chain_id != chain_id:
        detail = f"it serves chain {answer.chain_id}, and one before it {chain_id}; RPC_URL is for nodes of one chain"
        return Finding(check, State.FAIL, detail)
    return Finding(check, State.OK, f"chain {chain_id}, connected and answered in {answer.took_s * 1000:.0f} ms")
