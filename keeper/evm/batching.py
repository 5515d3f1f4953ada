"""What both transports do with several calls: one batch, and one by one where a node takes none."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TypeAlias

from msgspec.structs import replace

from keeper.domain.errors import Transient
from keeper.evm.errors import Kind, classify
from keeper.evm.wire import BatchRefused, Call, Response

Clean: TypeAlias = Callable[[str], str]


class BatchingTransport(ABC):
    """A transport that remembers whether its node takes batches."""

    def __init__(self, name: str, clean: Clean = str) -> None:
        """`clean` takes out of a node's own words what must not be repeated: it may quote the key in its URL."""
        self._name = name
        self._clean = clean
        self._takes_batches = True

    @property
    def name(self) -> str:
        """The endpoint's name."""
        return self._name

    async def exchange(self, calls: Sequence[Call], *, timeout_s: float) -> list[Response]:
        """The node's answers, in the order of the calls."""
        return [self._cleaned(response) for response in await self._answers(calls, timeout_s)]

    def _cleaned(self, response: Response) -> Response:
        error = response.error
        if error is None:
            return response
        return replace(response, error=replace(error, message=self._clean(error.message)))

    async def _answers(self, calls: Sequence[Call], timeout_s: float) -> list[Response]:
        if len(calls) > 1 and not self._takes_batches:
            return await self._one_by_one(calls, timeout_s)
        try:
            return await self._round_trip(calls, timeout_s)
        except BatchRefused as refused:
            if refused.answer.error and classify(refused.answer.error) is Kind.THROTTLED:
                return [refused.answer] * len(calls)
        singles = await self._one_by_one(calls, timeout_s)
        self._takes_batches = False
        return singles

    @abstractmethod
    async def _round_trip(self, calls: Sequence[Call], timeout_s: float) -> list[Response]:
        """One message there and one back; raises BatchRefused."""

    async def _one_by_one(self, calls: Sequence[Call], timeout_s: float) -> list[Response]:
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(self._round_trip([call], timeout_s), name=f"rpc {self._name}") for call in calls
                ]
        except* Transient as failures:
            raise failures.exceptions[0] from None
        return [task.result()[0] for task in tasks]
