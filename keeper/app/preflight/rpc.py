"""Whether the RPC endpoints answer, each by itself, and serve one and the same chain."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from keeper.app.preflight.finding import Finding, State
from keeper.domain.errors import Transient
from keeper.evm.endpoint import Endpoint
from keeper.evm.ledger import Ledger
from keeper.evm.transport import Transport
from keeper.ports import Clock

_DEADLINE_S = 4.0


@dataclass(frozen=True, slots=True)
class EndpointsReport:
    """What was found, one finding an endpoint, and what can be used of it."""

    findings: tuple[Finding, ...]
    usable: tuple[Transport, ...]
    chain_id: int | None
    """Of the first endpoint that answers; None where none does."""


async def check_endpoints(transports: Sequence[Transport], *, clock: Clock) -> EndpointsReport:
    """Ask all of them for their chain ids, at once."""
    endpoints = [Endpoint(each, clock=clock, ledger=Ledger()) for each in transports]
    async with asyncio.TaskGroup() as group:
        times = [group.create_task(_timed(endpoint, clock), name=f"rpc {endpoint.name}") for endpoint in endpoints]
    chain_id = next((endpoint.chain_id for endpoint in endpoints if endpoint.chain_id is not None), None)
    findings = [_finding(endpoint, time.result(), chain_id) for endpoint, time in zip(endpoints, times, strict=True)]
    usable = [
        each
        for each, endpoint in zip(transports, endpoints, strict=True)
        if endpoint.chain_id is not None and endpoint.chain_id == chain_id
    ]
    return EndpointsReport(tuple(findings), tuple(usable), chain_id)


async def _timed(endpoint: Endpoint, clock: Clock) -> float:
    """Seconds until it has told its chain id, or has failed to; it keeps either."""
    started = clock.monotonic()
    with suppress(Transient):
        await endpoint.identify(timeout_s=_DEADLINE_S)
    return clock.monotonic() - started


def _finding(endpoint: Endpoint, took_s: float, chain_id: int | None) -> Finding:
    check = f"rpc {endpoint.name}"
    if chain_id is None:
        return Finding(check, State.FAIL, f"{endpoint.detail}; check RPC_URL and the node")
    if endpoint.chain_id is None:
        return Finding(check, State.WARN, f"{endpoint.detail}; other endpoints stand in for it")
    if endpoint.chain_id != chain_id:
        detail = f"it serves chain {endpoint.chain_id}, and one before it {chain_id}; RPC_URL is for nodes of one chain"
        return Finding(check, State.FAIL, detail)
    return Finding(check, State.OK, f"chain {chain_id}, connected and answered in {took_s * 1000:.0f} ms")
