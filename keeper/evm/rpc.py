"""The pool: named endpoints tried in order, so that one healthy node is enough.

An endpoint that fails, times out or talks nonsense is passed over within the same call (one whose connection was cut is
asked once more), and so is one with an error that nobody knows; an error with a meaning is a verdict.
Endpoints that failed rest for a while: reads then try them again, transactions go to those that proved well since.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from yarl import URL

from keeper.domain.errors import Fatal, KeeperError, Throttled, Transient, Uncertain
from keeper.domain.status import EndpointStatus
from keeper.evm.endpoint import Endpoint
from keeper.evm.errors import Kind, classify, result_of
from keeper.evm.http import HttpTransport
from keeper.evm.ledger import Ledger
from keeper.evm.transport import Cut, Transport
from keeper.evm.wire import Call, Response
from keeper.evm.ws import WsTransport
from keeper.ports import Clock

READ_TIMEOUT_S = 5.0
SEND_TIMEOUT_S = 3.0
MAX_BATCH = 100
"""Calls in one request; many nodes take no more."""
_OPINIONS = 2


@dataclass(frozen=True, slots=True)
class Answer:
    """What an endpoint answered."""

    endpoint: str
    responses: list[Response]
    in_doubt: bool
    """Whether an endpoint that was asked before may have received the calls as well."""


def transport(name: str, url: str) -> Transport:
    """HTTP or WebSocket, as the URL says."""
    return WsTransport(name, url) if URL(url).scheme in {"ws", "wss"} else HttpTransport(name, url)


class RpcPool:
    """Every request goes through here."""

    def __init__(self, transports: Iterable[Transport], *, clock: Clock, chain_id: int | None = None) -> None:
        self.ledger = Ledger()
        self._endpoints = [Endpoint(each, clock=clock, ledger=self.ledger) for each in transports]
        self._chain_id = chain_id
        self._sending: set[asyncio.Task[None]] = set()

    async def connect(self) -> int:
        """Open all connections, check where they lead, and return the chain id.

        Where none was given, the first endpoint that answers decides. Raises Transient when none answers, Fatal when
        all serve other chains.
        """
        async with asyncio.TaskGroup() as group:
            for endpoint in self._endpoints:
                group.create_task(_try_to_identify(endpoint), name=f"rpc {endpoint.name} connect")
        answered = [endpoint.chain_id for endpoint in self._endpoints if endpoint.chain_id is not None]
        if not answered:
            raise Transient(f"no RPC endpoint answers: {self._problems()}")
        if self._chain_id is None:
            self._chain_id = answered[0]
        self._usable()
        return self._chain_id

    async def close(self) -> None:
        """Close all connections."""
        for task in self._sending:
            task.cancel()
        await asyncio.gather(*self._sending, return_exceptions=True)
        for endpoint in self._endpoints:
            await endpoint.close()

    async def ask(self, *calls: Call) -> list[Response]:
        """Read: the responses in the order of the calls, in batches; raises Transient when no endpoint answers."""
        responses: list[Response] = []
        for start in range(0, len(calls), MAX_BATCH):
            answer = await self._first_answer(
                deque(sorted(self._usable(), key=lambda endpoint: endpoint.resting)),
                calls[start : start + MAX_BATCH],
                READ_TIMEOUT_S,
            )
            responses += answer.responses
        return responses

    async def call(self, method: str, *params: object) -> object:
        """Read one result; raises Transient, for an error too."""
        (response,) = await self.ask(Call(method, params))
        return result_of(response)

    async def opinions(self, call: Call) -> list[object]:
        """Read the same from two endpoints at once, or from one where only one is well; raises Transient if none is."""
        waiting = deque(sorted(self._usable(), key=lambda endpoint: endpoint.resting))
        well = sum(not endpoint.resting for endpoint in waiting)
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(self._opinion(waiting, call), name=f"rpc opinion {number}")
                for number in range(max(min(well, _OPINIONS), 1))
            ]
        results = [task.result() for task in tasks]
        told = [result for result in results if not isinstance(result, KeeperError)]
        if not told and isinstance(results[0], KeeperError):
            raise results[0]
        return told

    async def send(self, call: Call) -> Answer:
        """Hand over a transaction; raises Uncertain when no endpoint answers and one of them may have received it."""
        return await self._first_answer(
            deque(sorted(self._usable(), key=lambda endpoint: endpoint.down)), [call], SEND_TIMEOUT_S
        )

    async def send_everywhere(self, call: Call) -> AsyncIterator[Answer | KeeperError]:
        """Hand over a transaction to every usable endpoint at once; yields what each says, the quickest first.

        Whoever stops listening leaves the others to be answered in the background, each within its deadline.
        """
        endpoints = self._usable()
        said: asyncio.Queue[Answer | KeeperError] = asyncio.Queue(len(endpoints))

        async def send_to(endpoint: Endpoint) -> None:
            try:
                said.put_nowait(await self._first_answer(deque([endpoint]), [call], SEND_TIMEOUT_S))
            except KeeperError as exc:
                said.put_nowait(exc)

        for endpoint in endpoints:
            task = asyncio.create_task(send_to(endpoint), name=f"rpc {endpoint.name} send")
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)
        for _ in endpoints:
            yield await said.get()

    def endpoints(self) -> Sequence[EndpointStatus]:
        """One row an endpoint."""
        return [self._status(endpoint) for endpoint in self._endpoints]

    def calls(self) -> Mapping[str, int]:
        """Requests so far, by method."""
        return self.ledger.by_method()

    async def _opinion(self, waiting: deque[Endpoint], call: Call) -> object:
        try:
            answer = await self._first_answer(waiting, [call], READ_TIMEOUT_S)
            return result_of(answer.responses[0])
        except KeeperError as exc:
            return exc

    async def _first_answer(self, waiting: deque[Endpoint], calls: Sequence[Call], timeout_s: float) -> Answer:
        """Ask those who wait, one after the other, until one has an answer; it is taken out of the row."""
        problems: list[tuple[Endpoint, Transient]] = []
        puzzling: Answer | None = None
        while waiting:
            endpoint = waiting.popleft()
            try:
                if not await self._serves_our_chain(endpoint):
                    continue
                responses = await endpoint.ask(calls, timeout_s=timeout_s)
            except Transient as exc:
                if isinstance(exc, Cut) and endpoint not in dict(problems):
                    waiting.appendleft(endpoint)
                problems.append((endpoint, exc))
                continue
            in_doubt = puzzling is not None or any(isinstance(problem, Uncertain) for _, problem in problems)
            answer = Answer(endpoint.name, responses, in_doubt)
            if all(map(_has_meaning, responses)):
                return answer
            puzzling = answer
        if puzzling is not None:
            return puzzling
        raise self._unanswered(problems)

    def _unanswered(self, problems: Sequence[tuple[Endpoint, Transient]]) -> KeeperError:
        message = "no RPC endpoint answers: " + "; ".join(f"{endpoint.name}: {why}" for endpoint, why in problems)
        if any(isinstance(problem, Uncertain) for _, problem in problems):
            return Uncertain(message)
        self._usable()
        return Transient(message)

    def _usable(self) -> list[Endpoint]:
        """The endpoints on our chain that did not ask to be left alone; raises Fatal or Throttled if there are none."""
        on_chain = [endpoint for endpoint in self._endpoints if not self._is_elsewhere(endpoint)]
        if not on_chain:
            raise Fatal(f"no RPC endpoint serves chain {self._chain_id}: {self._problems()}; check RPC_URL")
        free = [endpoint for endpoint in on_chain if not endpoint.throttled_s]
        if not free:
            rest_s = min(endpoint.throttled_s for endpoint in on_chain)
            raise Throttled(f"every RPC endpoint asks to slow down, for {rest_s:.1f} s", retry_after_s=rest_s)
        return free

    async def _serves_our_chain(self, endpoint: Endpoint) -> bool:
        """Whether it may be used; asks for its chain id when it has not told it yet."""
        if endpoint.chain_id is None:
            try:
                await endpoint.identify(timeout_s=READ_TIMEOUT_S)
            except Uncertain as exc:
                raise Transient(str(exc)) from exc  # nothing that matters has been sent so far
        if self._chain_id is None:
            self._chain_id = endpoint.chain_id
        return not self._is_elsewhere(endpoint)

    def _is_elsewhere(self, endpoint: Endpoint) -> bool:
        return endpoint.chain_id is not None and self._chain_id not in (None, endpoint.chain_id)

    def _problems(self) -> str:
        return "; ".join(f"{row.name}: {row.detail}" for row in self.endpoints() if row.detail)

    def _status(self, endpoint: Endpoint) -> EndpointStatus:
        if self._is_elsewhere(endpoint):
            detail = f"it serves chain {endpoint.chain_id}, not {self._chain_id}: it is not used"
            return EndpointStatus(endpoint.name, healthy=False, detail=detail)
        return EndpointStatus(endpoint.name, healthy=not endpoint.down, detail=endpoint.detail)


async def _try_to_identify(endpoint: Endpoint) -> None:
    with suppress(Transient):  # the endpoint keeps what went wrong
        await endpoint.identify(timeout_s=READ_TIMEOUT_S)


def _has_meaning(response: Response) -> bool:
    return response.error is None or classify(response.error) is not Kind.UNKNOWN
