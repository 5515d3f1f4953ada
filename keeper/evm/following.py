"""One subscription at one endpoint, and the watch over it: blocks have to come, an open socket proves nothing."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Never

from keeper.domain.errors import Transient
from keeper.evm.chronicle import Chronicle, events_of
from keeper.evm.endpoint import Endpoint
from keeper.evm.errors import Kind, classify, result_of
from keeper.evm.inbox import Inbox
from keeper.evm.roster import Roster
from keeper.evm.shapes import Header, PlacedLog, head_of, read
from keeper.evm.wire import Call, Notice, Response, quantity

_TIMEOUT_S = 5.0
_GOODBYE_S = 1.0
_PATIENCE_S = 10.0
"""Without a block for so long, or for three times the usual time if that is longer, the endpoint is asked for it."""
_LONGEST_PATIENCE_S = 120.0
_BLOCK_TIMES = 3
_GRACE_S = 1.0
"""For a notification that is on its way."""


class NotOffered(Exception):
    """The endpoint knows no subscriptions."""


class Session:
    """One endpoint, as long as it tells."""

    def __init__(self, endpoint: Endpoint, *, roster: Roster, chronicle: Chronicle, contract: str) -> None:
        self._endpoint = endpoint
        self._roster = roster
        self._chronicle = chronicle
        self._contract = contract
        self._inbox = Inbox()
        self._heads_id = ""
        self._events_id = ""
        self._patience_s = 0.0
        self._deadline = 0.0
        self._overdue: int | None = None
        """A block that the endpoint has and did not tell of."""

    async def open(self) -> None:
        """Subscribe, and tell what was missed; raises NotOffered and Transient."""
        self._inbox = await self._endpoint.listen(timeout_s=_TIMEOUT_S)
        heads, events = await self._ask(
            [
                Call("eth_subscribe", ("newHeads",)),
                Call("eth_subscribe", ("logs", events_of(self._contract))),
            ]
        )
        if any(each.error is not None and classify(each.error) is Kind.UNSUPPORTED for each in (heads, events)):
            raise NotOffered
        self._heads_id, self._events_id = str(result_of(heads)), str(result_of(events))
        await self._chronicle.catch_up(self._ask)
        self._block_came()

    async def run(self) -> Never:
        """Tell what comes, until it comes no longer: raises Transient then."""
        while True:
            notices = await self._next()
            self._endpoint.notified(len(notices))
            await self._tell(notices)

    async def close(self) -> None:
        """Have the endpoint tell no more."""
        if self._inbox.close() and self._heads_id:
            calls = [Call("eth_unsubscribe", (each,)) for each in (self._heads_id, self._events_id)]
            with suppress(Transient):
                await self._endpoint.ask(calls, timeout_s=_GOODBYE_S)

    async def _next(self) -> list[Notice]:
        while True:
            try:
                async with asyncio.timeout(max(self._deadline - self._roster.clock.monotonic(), 0.0)):
                    return await self._inbox.take()
            except TimeoutError:
                await self._look_for_blocks()

    async def _tell(self, notices: Sequence[Notice]) -> None:
        logs: list[PlacedLog] = []
        for notice in notices:
            if notice.subscription == self._events_id:
                logs.append(read(notice.result, PlacedLog))
            elif notice.subscription == self._heads_id:
                self._chronicle.take_logs(logs)
                logs = []
                head = head_of(read(notice.result, Header))
                self._endpoint.saw_block(head.number)
                await self._chronicle.take_head(head, self._ask)
                self._block_came()
                self._leave_if_behind()
        self._chronicle.take_logs(logs)

    def _block_came(self) -> None:
        block_time_s = self._roster.frontier.block_time_s or 0.0
        self._overdue = None
        self._patience_s = min(max(_PATIENCE_S, _BLOCK_TIMES * block_time_s), _LONGEST_PATIENCE_S)
        self._wait(self._patience_s)

    async def _look_for_blocks(self) -> None:
        """No block came for long: that is no fault of a chain at rest, but of a node that has blocks to tell."""
        if self._overdue is not None:
            raise Transient("it has new blocks and does not tell of them")
        (response,) = await self._endpoint.ask([Call("eth_blockNumber")], timeout_s=_TIMEOUT_S)
        self._leave_if_behind()
        newest = self._chronicle.newest
        block = quantity(result_of(response))
        if newest is None or block > newest.number:
            self._overdue = block
            self._wait(_GRACE_S)
        elif self._roster.answered_by(self._endpoint):
            self._wait(_GRACE_S)  # for what others say: it may be behind
        else:
            self._patience_s = min(2 * self._patience_s, _LONGEST_PATIENCE_S)
            self._wait(self._patience_s)

    def _wait(self, patience_s: float) -> None:
        self._deadline = self._roster.clock.monotonic() + patience_s

    def _leave_if_behind(self) -> None:
        if self._endpoint.progress.lagging and self._roster.listening()[0] is not self._endpoint:
            raise Transient("it is behind another endpoint")

    async def _ask(self, calls: Sequence[Call]) -> list[Response]:
        return await self._endpoint.ask(calls, timeout_s=_TIMEOUT_S)
