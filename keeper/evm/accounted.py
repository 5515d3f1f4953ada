"""A transport that keeps books, and takes an answer that asks to slow down for what it is."""

from collections.abc import Sequence

from keeper.domain.errors import Throttled, Transient, Uncertain
from keeper.evm.errors import Kind, classify, describe
from keeper.evm.ledger import Ledger, Outcome
from keeper.evm.transport import Transport
from keeper.evm.wire import Call, Response
from keeper.ports import Clock


class AccountedTransport:
    """Another transport, every message of which is in the ledger."""

    def __init__(self, transport: Transport, *, clock: Clock, ledger: Ledger) -> None:
        self._transport = transport
        self._clock = clock
        self._ledger = ledger

    async def exchange(self, calls: Sequence[Call], *, timeout_s: float) -> tuple[list[Response], float]:
        """The answers, and how long they took; raises as Transport does."""
        started = self._clock.monotonic()
        try:
            responses = await self._transport.exchange(calls, timeout_s=timeout_s)
            _raise_if_throttled(responses)
        except Transient as exc:
            outcomes = [_outcome(exc)] * len(calls)
            now = self._clock.monotonic()
            self._ledger.record(self._transport.name, calls, outcomes, now - started, now=now)
            raise
        now = self._clock.monotonic()
        took_s = now - started
        outcomes = [Outcome.ERROR if response.error else Outcome.OK for response in responses]
        self._ledger.record(self._transport.name, calls, outcomes, took_s, now=now)
        return responses, took_s


def _raise_if_throttled(responses: Sequence[Response]) -> None:
    for response in responses:
        if response.error is not None and classify(response.error) is Kind.THROTTLED:
            raise Throttled(f"it asks to slow down: {describe(response.error)}")


def _outcome(problem: Transient) -> Outcome:
    match problem:
        case Throttled():
            return Outcome.THROTTLED
        case Uncertain():
            return Outcome.UNCERTAIN
        case _:
            return Outcome.UNREACHED
