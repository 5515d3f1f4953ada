"""The pool: every request goes through here, to the best endpoint first, so that one healthy node is enough.

An endpoint that fails, times out or talks nonsense is passed over within the same call (one whose connection was cut is
asked once more), and so is one with an error that nobody knows; an error with a meaning is a verdict.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass

from yarl import URL

from keeper.domain.errors import KeeperError, Transient, Uncertain
from keeper.domain.status import EndpointStatus
from keeper.evm.batching import Clean
from keeper.evm.endpoint import Endpoint, has_meaning
from keeper.evm.errors import result_of
from keeper.evm.http import HttpTransport
from keeper.evm.ledger import Ledger
from keeper.evm.roster import Roster
from keeper.evm.transport import Cut, Transport
from keeper.evm.wire import Call, Response
from keeper.evm.ws import WsTransport
from keeper.ports import Clock

READ_TIMEOUT_S = 5.0
SEND_TIMEOUT_S = 3.0
MAX_BATCH = 100
"""Calls in one request; many nodes take no more."""
LAG_LIMIT = 3
"""An endpoint that is so many blocks behind others is asked last."""
_OPINIONS = 2


@dataclass(frozen=True, slots=True)
class Answer:
    """What an endpoint answered."""

    endpoint: str
    responses: list[Response]
    in_doubt: bool
    """Whether an endpoint that was asked before may have received the calls as well."""


def transport(name: str, url: str, clean: Clean = str) -> Transport:
    """HTTP or WebSocket, as the URL says; `clean` takes secrets out of the node's own words."""
    return WsTransport(name, url, clean) if URL(url).scheme in {"ws", "wss"} else HttpTransport(name, url, clean)


class RpcPool:
    """JSON-RPC by several endpoints. To be closed in the end: it looks after ill ones in the background."""

    def __init__(
        self,
        transports: Iterable[Transport],
        *,
        clock: Clock,
        chain_id: int | None = None,
        lag_limit: int = LAG_LIMIT,
    ) -> None:
        self.ledger = Ledger()
        self.roster = Roster(transports, clock=clock, ledger=self.ledger, chain_id=chain_id, lag_limit=lag_limit)
        self._sending: set[asyncio.Task[None]] = set()

    async def connect(self) -> int:
        """Open all connections, check where they lead, and return the chain id.

        Where none was given, the first endpoint that answers decides. Raises Transient when none answers, Fatal when
        all serve other chains.
        """
        return await self.roster.connect()

    async def close(self) -> None:
        """Close all connections."""
        for task in self._sending:
            task.cancel()
        await asyncio.gather(*self._sending, return_exceptions=True)
        await self.roster.close()

    async def recovered(self) -> None:
        """Return as soon as some endpoint is well, or no longer asks to be left alone; at once where one is."""
        await self.roster.recovered()

    async def ask(self, *calls: Call) -> list[Response]:
        """Read: the responses in the order of the calls, in batches; raises Transient when no endpoint answers."""
        responses: list[Response] = []
        for start in range(0, len(calls), MAX_BATCH):
            endpoints = deque(self.roster.usable())
            answer = await self._first_answer(endpoints, calls[start : start + MAX_BATCH], READ_TIMEOUT_S)
            responses += answer.responses
        return responses

    async def call(self, method: str, *params: object) -> object:
        """Read one result; raises Transient, for an error too."""
        (response,) = await self.ask(Call(method, params))
        return result_of(response)

    async def opinions(self, call: Call) -> list[object]:
        """Read the same from two endpoints at once, or from one where only one is well; raises Transient if none is."""
        endpoints = deque(self.roster.usable())
        well = sum(not endpoint.health.down for endpoint in endpoints)
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(self._opinion(endpoints, call), name=f"rpc opinion {number}")
                for number in range(max(min(well, _OPINIONS), 1))
            ]
        results = [task.result() for task in tasks]
        told = [result for result in results if not isinstance(result, KeeperError)]
        if not told and isinstance(results[0], KeeperError):
            raise results[0]
        return told

    async def send(self, call: Call) -> Answer:
        """Hand over a transaction; raises Uncertain when no endpoint answers and one of them may have received it."""
        return await self._first_answer(deque(self.roster.usable()), [call], SEND_TIMEOUT_S)

    async def send_everywhere(self, call: Call) -> AsyncIterator[Answer | KeeperError]:
        """Hand over a transaction to every usable endpoint at once; yields what each says, the quickest first.

        Whoever stops listening leaves the others to be answered in the background, each within its deadline.
        """
        endpoints = self.roster.usable()
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
        return self.roster.status()

    def calls(self) -> Mapping[str, int]:
        """Requests so far, by method."""
        return self.ledger.by_method()

    def calls_last_hour(self) -> Mapping[str, int]:
        """Those of the last hour, to the minute."""
        return self.ledger.last_hour(self.roster.clock.monotonic())

    async def _opinion(self, waiting: deque[Endpoint], call: Call) -> object:
        try:
            answer = await self._first_answer(waiting, [call], READ_TIMEOUT_S)
            return result_of(answer.responses[0])
        except KeeperError as exc:
            return exc

    async def _first_answer(self, waiting: deque[Endpoint], calls: Sequence[Call], timeout_s: float) -> Answer:
        """Ask those who wait, one after the other, until one has an answer; who was asked waits no longer."""
        problems: list[tuple[Endpoint, Transient]] = []
        puzzling: Answer | None = None
        while waiting:
            endpoint = waiting.popleft()
            try:
                if not endpoint.verified:
                    await self._verify(endpoint, timeout_s)
                if endpoint.serves_another:
                    continue
                responses = await endpoint.ask(calls, timeout_s=timeout_s)
            except Transient as exc:
                if isinstance(exc, Cut) and endpoint not in dict(problems):
                    waiting.appendleft(endpoint)
                problems.append((endpoint, exc))
                continue
            self.roster.answered_by(endpoint)
            in_doubt = puzzling is not None or any(isinstance(problem, Uncertain) for _, problem in problems)
            answer = Answer(endpoint.name, responses, in_doubt)
            if all(map(has_meaning, responses)):
                return answer
            puzzling = answer
        if puzzling is not None:
            return puzzling
        raise self._unanswered(problems)

    async def _verify(self, endpoint: Endpoint, timeout_s: float) -> None:
        """Make sure which chain the endpoint serves; the first that says so decides where none was given."""
        try:
            await endpoint.probe(timeout_s=timeout_s)
        except Uncertain as exc:
            raise Transient(str(exc)) from exc  # nothing that matters has been sent so far
        if self.roster.frontier.chain_id is None:
            self.roster.frontier.chain_id = endpoint.chain_id

    def _unanswered(self, problems: Sequence[tuple[Endpoint, Transient]]) -> KeeperError:
        message = "no RPC endpoint answers: " + "; ".join(f"{endpoint.name}: {why}" for endpoint, why in problems)
        if any(isinstance(problem, Uncertain) for _, problem in problems):
            return Uncertain(message)
        self.roster.usable()
        return Transient(message)
