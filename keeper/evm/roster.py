"""The endpoints of a pool: which may be asked, in what order, and who looks after those that are ill."""

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress

from keeper.domain.errors import Fatal, Throttled, Transient
from keeper.domain.status import EndpointState, EndpointStatus
from keeper.evm.endpoint import PROBE_TIMEOUT_S, Endpoint
from keeper.evm.frontier import Frontier
from keeper.evm.ledger import Ledger
from keeper.evm.transport import Transport
from keeper.ports import Clock

_FIRST_LOOK_S = 10.0
_LONGEST_LOOK_S = 160.0
AT_HAND = {EndpointState.HEALTHY, EndpointState.HALF_OPEN, EndpointState.LAGGING}
"""Endpoints in these states answer."""


class Roster:
    """Endpoints in the order in which they were given, which is that of preference among equals."""

    def __init__(
        self, transports: Iterable[Transport], *, clock: Clock, ledger: Ledger, chain_id: int | None, lag_limit: int
    ) -> None:
        self.frontier = Frontier(chain_id)
        self.clock = clock
        self._ledger = ledger
        self._news = asyncio.Event()
        self._endpoints = [
            Endpoint(each, clock=clock, ledger=ledger, frontier=self.frontier, lag_limit=lag_limit, news=self._news.set)
            for each in transports
        ]
        self._look_pause_s = _FIRST_LOOK_S
        self._next_look_at = 0.0

    async def connect(self) -> int:
        """Open all connections, check where they lead, and return the chain id.

        Where none was given, the first in order that answers decides. Raises Transient when none answers, Fatal when
        all serve other chains.
        """
        async with asyncio.TaskGroup() as group:
            for endpoint in self._endpoints:
                group.create_task(_probe_quietly(endpoint), name=f"rpc {endpoint.name} connect")
        answered = [endpoint.chain_id for endpoint in self._endpoints if endpoint.chain_id is not None]
        if not answered:
            raise Transient(f"no RPC endpoint answers: {self._problems()}")
        if self.frontier.chain_id is None:
            self.frontier.chain_id = answered[0]
        self.usable()
        return self.frontier.chain_id

    async def close(self) -> None:
        """Close all connections."""
        for endpoint in self._endpoints:
            await endpoint.close()

    def usable(self) -> list[Endpoint]:
        """The endpoints on our chain that did not ask to be left alone, the best first.

        Those that are down come last. Raises Fatal or Throttled where there are none.
        """
        if all(endpoint.blameless for endpoint in self._endpoints):
            return self._endpoints.copy()
        on_chain = [endpoint for endpoint in self._endpoints if not endpoint.serves_another]
        if not on_chain:
            raise Fatal(f"no RPC endpoint serves chain {self.frontier.chain_id}: {self._problems()}; check RPC_URL")
        free = [endpoint for endpoint in on_chain if not endpoint.throttled_s]
        if not free:
            rest_s = min(endpoint.throttled_s for endpoint in on_chain)
            raise Throttled(f"every RPC endpoint asks to slow down, for {rest_s:.1f} s", retry_after_s=rest_s)
        quickest_s = min((each.health.latency_s for each in free if each.health.latency_s is not None), default=0.0)
        return sorted(free, key=lambda endpoint: endpoint.rank(quickest_s))

    def listening(self) -> list[Endpoint]:
        """Those by which subscriptions can be made, the best first, with those that cannot be used now."""
        quickest_s = 0.0
        listening = [endpoint for endpoint in self._endpoints if endpoint.listens]
        return sorted(listening, key=lambda endpoint: endpoint.rank(quickest_s))

    async def changed(self) -> None:
        """Return when an endpoint has answered that was down, or was probed."""
        self._news.clear()
        await self._news.wait()

    def answered_by(self, endpoint: Endpoint) -> bool:
        """Have the others looked at when the endpoint answers as one in trouble does; returns whether that is done.

        The longer the trouble lasts, the rarer are the looks.
        """
        if not endpoint.suspicious:
            self._look_pause_s = _FIRST_LOOK_S
            return False
        now = self.clock.monotonic()
        others = [each for each in self._endpoints if each is not endpoint and each.state in AT_HAND]
        if not others or now < self._next_look_at:
            return False
        self._next_look_at = now + self._look_pause_s
        self._look_pause_s = min(2 * self._look_pause_s, _LONGEST_LOOK_S)
        for other in others:
            other.suspect()
        return True

    async def recovered(self) -> None:
        """Return as soon as some endpoint is well, or no longer asks to be left alone; at once where one is."""
        while not any(endpoint.state in AT_HAND for endpoint in self._endpoints):
            rests_s = [each.throttled_s for each in self._endpoints if each.state is EndpointState.THROTTLED]
            self._news.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(min(rests_s, default=None)):
                    await self._news.wait()

    def status(self) -> Sequence[EndpointStatus]:
        """One row an endpoint."""
        return [self._row(endpoint) for endpoint in self._endpoints]

    def _row(self, endpoint: Endpoint) -> EndpointStatus:
        state = endpoint.state
        return EndpointStatus(
            name=endpoint.name,
            state=state,
            detail=self._detail(endpoint, state),
            latency_s=endpoint.health.latency_s,
            lag_blocks=endpoint.progress.lag_blocks,
            request_times=self._ledger.times(endpoint.name),
            notifications=self._ledger.notifications(endpoint.name),
        )

    def _detail(self, endpoint: Endpoint, state: EndpointState) -> str:
        if state is EndpointState.WRONG_CHAIN:
            return f"it serves chain {endpoint.chain_id}, not {self.frontier.chain_id}: it is not used"
        if state is EndpointState.LAGGING:
            return f"it is {endpoint.progress.lag_blocks} blocks behind others"
        return endpoint.health.problem

    def _problems(self) -> str:
        return "; ".join(f"{row.name}: {row.detail}" for row in self.status() if row.detail)


async def _probe_quietly(endpoint: Endpoint) -> None:
    with suppress(Transient):  # the endpoint keeps what went wrong
        await endpoint.probe(timeout_s=PROBE_TIMEOUT_S)
