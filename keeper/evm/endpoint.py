"""One endpoint: its transport, how it does, the chain it serves, and the probes that notice when it is well again."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NamedTuple

from keeper.domain.errors import Transient
from keeper.domain.status import EndpointState
from keeper.evm.accounted import AccountedTransport
from keeper.evm.errors import Kind, classify, result_of
from keeper.evm.frontier import Frontier
from keeper.evm.health import Health
from keeper.evm.inbox import Inbox, Listening
from keeper.evm.ledger import Ledger
from keeper.evm.probing import Prober
from keeper.evm.progress import Progress
from keeper.evm.shapes import newest_block
from keeper.evm.transport import Transport
from keeper.evm.wire import Call, Response, quantity
from keeper.ports import Clock

PROBE = (Call("eth_chainId"), Call("eth_blockNumber"))
PROBE_TIMEOUT_S = 5.0

_IMPATIENT_S = 1.0
"""A probe after a short outage waits no longer: the node may have come back since it was asked."""
_WRONG_CHAIN_FIRST_PAUSE_S = 1.0
_WRONG_CHAIN_PAUSE_S = 30.0
_WRONG_CHAIN_SHARE = 0.5
"""Of the time for which it has told that chain, up to the longest pause."""
_LAGGING_PAUSE_S = (2.0, 30.0)
_LAGGING_SHARE = 0.1
"""The longer it lags, the rarer it is asked."""
_SLOW_S = 1.0
_TIMES_SLOWER = 4


class Rank(NamedTuple):
    """How good an endpoint is to ask: the lower the better, by what weighs most first."""

    down: bool = False
    lagging: bool = False
    flaky: bool = False
    slow: bool = False


class Endpoint:
    """A node with a name."""

    def __init__(
        self,
        transport: Transport,
        *,
        clock: Clock,
        ledger: Ledger,
        frontier: Frontier,
        lag_limit: int,
        news: Callable[[], None],
    ) -> None:
        self.health = Health()
        self.progress = Progress(transport.name, frontier=frontier, lag_limit=lag_limit)
        self.chain_id: int | None = None
        """None until it has said so."""
        self._chain_since = 0.0
        """When it first said so."""
        self._transport = transport
        self._clock = clock
        self._ledger = ledger
        self._books = AccountedTransport(transport, clock=clock, ledger=ledger)
        self._frontier = frontier
        self._news = news
        self._verified = 0
        """The connection over which it told its chain."""
        self._suspected = False
        self._reconnect_in_s: float | None = None
        """Set while a connection that was lost is to be opened again."""
        self._prober = Prober(f"rpc {self.name} probe", pause_s=self._probe_pause_s, probe=self._probe_quietly)
        transport.when_lost(self._lost)

    @property
    def name(self) -> str:
        """How messages speak of it."""
        return self._transport.name

    # How it does

    @property
    def state(self) -> EndpointState:
        """How it does, in a word."""
        if self.serves_another:
            return EndpointState.WRONG_CHAIN
        if self.health.down:
            return EndpointState.RESTING
        if self.throttled_s:
            return EndpointState.THROTTLED
        if self.progress.lagging:
            return EndpointState.LAGGING
        return EndpointState.HALF_OPEN if self.health.on_trial else EndpointState.HEALTHY

    @property
    def serves_another(self) -> bool:
        """Whether it serves another chain than ours."""
        return self.chain_id is not None and self._frontier.chain_id not in (None, self.chain_id)

    @property
    def throttled_s(self) -> float:
        """For how long it asked to be left alone; 0 if it did not."""
        return self.health.throttled_s(self._clock.monotonic())

    @property
    def blameless(self) -> bool:
        """Whether nothing at all speaks against it; quick to tell, which is most of the time."""
        return (
            self.health.spotless
            and (self.health.latency_s or 0.0) <= _SLOW_S
            and not self.progress.lagging
            and not self.serves_another
        )

    def rank(self, quickest_s: float) -> Rank:
        """How good it is to ask, where the quickest endpoint takes so long."""
        health = self.health
        latency_s = health.latency_s or 0.0
        return Rank(
            down=health.down,
            lagging=self.progress.lagging,
            flaky=health.flaky(self._clock.monotonic()),
            slow=latency_s > max(_SLOW_S, _TIMES_SLOWER * quickest_s),
        )

    @property
    def suspicious(self) -> bool:
        """Whether it answers as one in trouble does: slowly, or for long with the same newest block."""
        return self.progress.stalled or (self.health.latency_s or 0.0) > _SLOW_S

    # Requests

    async def ask(self, calls: Sequence[Call], *, timeout_s: float) -> list[Response]:
        """Its answers in the order of the calls; raises Transient of the kinds that Transport tells apart."""
        responses, took_s = await self._exchange(calls, timeout_s, probing=False)
        was_down = self.health.down
        sound = all(map(has_meaning, responses))
        self.health.answered(self._clock.monotonic(), took_s, sound=sound)
        for call, response in zip(calls, responses, strict=True):
            block = newest_block(call, response)
            if block is not None:
                self.saw_block(block)
        if was_down:
            self._news()
        return responses

    @property
    def listens(self) -> bool:
        """Whether subscriptions can be made at all."""
        return isinstance(self._transport, Listening)

    async def listen(self, *, timeout_s: float) -> Inbox:
        """Where notifications of subscriptions go that are made from now on; raises Transient."""
        if not self.verified:
            await self.probe(timeout_s=timeout_s)
        if self.serves_another or not isinstance(self._transport, Listening):
            raise Transient("it serves another chain")
        try:
            return await self._transport.listen(timeout_s=timeout_s)
        except Transient as exc:
            self._fail(exc, probing=False)
            raise

    def notified(self, count: int) -> None:
        """So many notifications came."""
        self._ledger.notified(self.name, count)

    @property
    def verified(self) -> bool:
        """Whether it told over this very connection which chain it serves."""
        return self._verified != 0 and self._verified == self._transport.connection

    async def probe(self, *, timeout_s: float) -> None:
        """Ask for its chain and its newest block; raises Transient."""
        self._suspected, self._reconnect_in_s = False, None
        responses, took_s = await self._exchange(PROBE, timeout_s, probing=True)
        try:
            chain_id, block = (quantity(result_of(response)) for response in responses)
        except Transient as exc:
            self._fail(exc, probing=True)
            raise
        self.health.answered_probe(took_s)
        if chain_id != self.chain_id:
            self.chain_id, self._chain_since = chain_id, self._clock.monotonic()
        self._verified = self._transport.connection
        self.saw_block(block)
        self._prober.wake()
        self._news()

    def suspect(self) -> None:
        """Have it probed at once, in the background."""
        self._suspected = True
        self._prober.wake()

    def saw_block(self, block: int) -> None:
        """It told its newest block."""
        assert self.chain_id is not None, "nothing is asked before the chain"
        self.progress.told(self.chain_id, block, self._clock.monotonic())
        if self.progress.lagging:
            self._prober.wake()

    async def close(self) -> None:
        """Let go of the connection."""
        await self._prober.close()
        await self._transport.close()

    def _probe_pause_s(self) -> float | None:
        """How long to wait before the next probe; None while there is no reason for one."""
        now = self._clock.monotonic()
        if self._suspected:
            return 0.0
        if self.serves_another:
            pause_s = max((now - self._chain_since) * _WRONG_CHAIN_SHARE, _WRONG_CHAIN_FIRST_PAUSE_S)
            return min(pause_s, _WRONG_CHAIN_PAUSE_S)
        if self.health.down:
            return max(self.health.probe_pause_s(now), self.throttled_s)
        if self._reconnect_in_s is not None:
            return self._reconnect_in_s
        if not self.progress.lagging:
            return None
        least_s, longest_s = _LAGGING_PAUSE_S
        return min(max(self.progress.lagging_s(now) * _LAGGING_SHARE, least_s), longest_s)

    async def _probe_quietly(self) -> None:
        timeout_s = PROBE_TIMEOUT_S
        if self.health.down:
            outage_s = self.health.outage_s(self._clock.monotonic())
            timeout_s = min(max(outage_s / 2, _IMPATIENT_S), PROBE_TIMEOUT_S)
        with suppress(Transient):  # it is kept
            await self.probe(timeout_s=timeout_s)

    def _lost(self) -> None:
        self._reconnect_in_s = self.health.probe_pause_s(self._clock.monotonic())
        self.health.lost_connection()
        self._prober.wake()

    def _fail(self, problem: Transient, *, probing: bool) -> None:
        self.health.failed(self._clock.monotonic(), problem, probed=probing)
        if self.health.down:
            self._verified = 0
        self._prober.wake()

    async def _exchange(
        self, calls: Sequence[Call], timeout_s: float, *, probing: bool
    ) -> tuple[list[Response], float]:
        try:
            return await self._books.exchange(calls, timeout_s=timeout_s)
        except Transient as exc:
            self._fail(exc, probing=probing)
            raise


def has_meaning(response: Response) -> bool:
    """Whether it is a result, or an error that somebody knows."""
    return response.error is None or classify(response.error) is not Kind.UNKNOWN
