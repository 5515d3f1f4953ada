"""One endpoint: its transport, its health, and the chain it says it serves."""

from collections.abc import Sequence

from keeper.domain.errors import Throttled, Transient, Uncertain
from keeper.evm.errors import Kind, classify, describe, result_of
from keeper.evm.ledger import Account, Ledger
from keeper.evm.transport import Transport
from keeper.evm.wire import Call, Response, quantity
from keeper.ports import Clock

_FIRST_REST_S = 2.0
_LONGEST_REST_S = 60.0
_DEFAULT_PAUSE_S = 1.0


class Endpoint:
    """A node with a name. After a failure it rests, twice as long each time; one success and it is well again."""

    def __init__(self, transport: Transport, *, clock: Clock, ledger: Ledger) -> None:
        self._transport = transport
        self._clock = clock
        self._ledger = ledger
        self._failures = 0
        self._rested_at = 0.0
        self._free_at = 0.0
        self.chain_id: int | None = None
        """None until it has said so."""
        self.detail = ""
        """The last problem, or empty."""

    @property
    def name(self) -> str:
        """How messages speak of it."""
        return self._transport.name

    @property
    def down(self) -> bool:
        """Whether the last request failed."""
        return self._failures > 0

    @property
    def resting(self) -> bool:
        """Whether it failed just now; afterwards it is worth a try, though still down."""
        return self.down and self._clock.monotonic() < self._rested_at

    @property
    def throttled_s(self) -> float:
        """For how long it asked to be left alone; 0 if it did not."""
        return max(self._free_at - self._clock.monotonic(), 0.0)

    async def identify(self, *, timeout_s: float) -> None:
        """Ask for the chain id and keep it; raises Transient."""
        (response,) = await self.ask([Call("eth_chainId")], timeout_s=timeout_s)
        try:
            self.chain_id = quantity(result_of(response))
        except Transient as exc:
            self._troubled(exc)
            raise

    async def ask(self, calls: Sequence[Call], *, timeout_s: float) -> list[Response]:
        """Its answers in the order of the calls; raises Transient of the kinds that Transport tells apart."""
        started = self._clock.monotonic()
        try:
            responses = await self._transport.exchange(calls, timeout_s=timeout_s)
            _raise_if_throttled(responses)
        except Transient as exc:
            self._troubled(exc)
            self._record(calls, [_outcome(exc)] * len(calls), started)
            raise
        self._failures = 0
        self.detail = ""
        self._record(calls, ["error" if response.error else "ok" for response in responses], started)
        return responses

    def _troubled(self, problem: Transient) -> None:
        now = self._clock.monotonic()
        self.detail = str(problem)
        if isinstance(problem, Throttled):
            self._free_at = now + (problem.retry_after_s or _DEFAULT_PAUSE_S)
        else:
            self._rested_at = now + min(_FIRST_REST_S * 2**self._failures, _LONGEST_REST_S)
            self._failures += 1

    def _record(self, calls: Sequence[Call], outcomes: Sequence[str], started: float) -> None:
        duration_s = self._clock.monotonic() - started
        for call, outcome in zip(calls, outcomes, strict=True):
            self._ledger.record(Account(call.method, self.name, outcome), duration_s)

    async def close(self) -> None:
        """Let go of the connection."""
        await self._transport.close()


def _raise_if_throttled(responses: Sequence[Response]) -> None:
    for response in responses:
        if response.error is not None and classify(response.error) is Kind.THROTTLED:
            raise Throttled(f"it asks to slow down: {describe(response.error)}")


def _outcome(problem: Transient) -> str:
    match problem:
        case Throttled():
            return "throttled"
        case Uncertain():
            return "uncertain"
        case _:
            return "unreached"
