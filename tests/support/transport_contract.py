"""What every transport keeps, the real ones and the fake: the pool relies on nothing else."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import pytest

from keeper.domain.errors import Throttled, Transient, Uncertain
from keeper.evm.inbox import Inbox, Listening, Overflow
from keeper.evm.transport import Cut, Transport
from keeper.evm.wire import Call, ErrorAnswer, Notice
from tests.support.scripted_node import RETRY_AFTER_S, Fault, ScriptedNode
from tests.support.served_node import KEY
from tests.support.waiting import wait_until


class SocketTransport(Transport, Listening, Protocol):
    """Both."""


SHORT_S = 0.3
LONG_S = 30.0
"""For an answer that comes at once: late on a busy machine."""

ECHO = "test_echo"
"""A method that the node answers with its first parameter."""


FAILURES = [fault for fault in Fault if fault not in {Fault.NONE, Fault.REFUSES_BATCHES}]


def echo(*values: str) -> list[Call]:
    return [Call(ECHO, (value,)) for value in values]


class TransportContract(ABC):
    """Subclasses connect a transport to a node."""

    @abstractmethod
    def connected(self, node: ScriptedNode) -> AbstractAsyncContextManager[Transport]:
        """A transport to the node; REFUSES as its fault means that it is nowhere to be found."""

    async def test_answers_one_call(self) -> None:
        async with self.connected(ScriptedNode()) as transport:
            (response,) = await transport.exchange(echo("0x1"), timeout_s=LONG_S)
        assert response.result == "0x1"

    async def test_answers_in_the_order_of_the_calls(self) -> None:
        async with self.connected(ScriptedNode()) as transport:
            responses = await transport.exchange(echo("0x1", "0x2", "0x3"), timeout_s=LONG_S)
        assert [response.result for response in responses] == ["0x1", "0x2", "0x3"]

    async def test_answers_every_call_where_batches_are_refused(self) -> None:
        async with self.connected(ScriptedNode(fault=Fault.REFUSES_BATCHES)) as transport:
            for _ in range(2):
                responses = await transport.exchange(echo("0x1", "0x2", "0x3"), timeout_s=LONG_S)
                assert [response.result for response in responses] == ["0x1", "0x2", "0x3"]

    async def test_does_not_mix_up_answers_under_way_together(self) -> None:
        async with self.connected(ScriptedNode()) as transport:
            answered = await asyncio.gather(
                *(transport.exchange(echo(str(number)), timeout_s=LONG_S) for number in range(40))
            )
        assert [responses[0].result for responses in answered] == [str(number) for number in range(40)]

    async def test_null_is_a_result(self) -> None:
        async with self.connected(ScriptedNode(answers={ECHO: None})) as transport:
            (response,) = await transport.exchange(echo("0x1"), timeout_s=LONG_S)
        assert (response.result, response.error) == (None, None)

    async def test_an_error_is_an_answer(self) -> None:
        error = ErrorAnswer(3, "execution reverted", "0x14aebe68")
        async with self.connected(ScriptedNode(answers={ECHO: error})) as transport:
            (response,) = await transport.exchange(echo("0x1"), timeout_s=LONG_S)
        assert response.error == error

    async def test_carries_a_large_transaction(self) -> None:
        raw = "0x" + "ab" * 300_000
        async with self.connected(ScriptedNode()) as transport:
            (response,) = await transport.exchange(echo(raw), timeout_s=LONG_S)
        assert response.result == raw

    @pytest.mark.parametrize("fault", [Fault.REFUSES, Fault.LOCKS_OUT])
    async def test_knows_when_nothing_has_reached_the_node(self, fault: Fault) -> None:
        node = ScriptedNode(fault=fault)
        async with self.connected(node) as transport:
            failure = await failure_of(lambda: transport.exchange(echo("0x1"), timeout_s=LONG_S))
        assert not isinstance(failure, Uncertain | Throttled)
        assert node.requests == []

    @pytest.mark.parametrize("fault", [Fault.CUTS, Fault.HANGS, Fault.BABBLES])
    async def test_is_uncertain_when_the_node_may_have_the_call(self, fault: Fault) -> None:
        node = ScriptedNode()
        async with self.connected(node) as transport:
            await transport.exchange(echo("0x0"), timeout_s=LONG_S)  # else it may take longer to connect
            node.fault = fault
            failure = await failure_of(lambda: transport.exchange(echo("0x1"), timeout_s=SHORT_S))
        assert isinstance(failure, Uncertain)

    async def test_tells_a_connection_that_was_cut(self) -> None:
        async with self.connected(ScriptedNode(fault=Fault.CUTS)) as transport:
            failure = await failure_of(lambda: transport.exchange(echo("0x1"), timeout_s=LONG_S))
        assert isinstance(failure, Cut)

    async def test_says_how_long_the_node_wants_to_be_left_alone(self) -> None:
        async with self.connected(ScriptedNode(fault=Fault.THROTTLES)) as transport:
            failure = await failure_of(lambda: transport.exchange(echo("0x1"), timeout_s=LONG_S))
        assert isinstance(failure, Throttled)
        assert failure.retry_after_s == RETRY_AFTER_S

    @pytest.mark.parametrize("fault", [fault for fault in FAILURES if fault is not Fault.REFUSES])
    async def test_works_again_once_the_node_does(self, fault: Fault) -> None:
        node = ScriptedNode(fault=fault)
        async with self.connected(node) as transport:
            await failure_of(lambda: transport.exchange(echo("0x1"), timeout_s=SHORT_S))
            node.fault = Fault.NONE
            (response,) = await transport.exchange(echo("0x2"), timeout_s=LONG_S)
        assert response.result == "0x2"

    @pytest.mark.parametrize("fault", FAILURES)
    async def test_tells_no_secret_of_its_url(self, fault: Fault) -> None:
        async with self.connected(ScriptedNode(fault=fault)) as transport:
            failure = await failure_of(lambda: transport.exchange(echo("0x1"), timeout_s=SHORT_S))
        told: BaseException | None = failure
        while told is not None:
            assert KEY not in str(told)
            assert "127.0.0.1" not in str(told)
            told = told.__cause__ or (None if told.__suppress_context__ else told.__context__)


class SocketContract(ABC):
    """What transports keep by which nodes may tell things, beside the above. Subclasses connect one."""

    @abstractmethod
    def connected(self, node: ScriptedNode) -> AbstractAsyncContextManager[SocketTransport]:
        """A transport to the node."""

    @abstractmethod
    async def lose(self, transport: SocketTransport) -> None:
        """Have the connection end from the other side."""

    async def test_what_the_node_tells_is_found_in_the_inbox_in_order(self) -> None:
        node = ScriptedNode()
        async with self.connected(node) as transport:
            inbox = await transport.listen(timeout_s=LONG_S)
            await transport.exchange(echo("0x1"), timeout_s=LONG_S)
            for number in range(100):
                node.notify("0xid", number)
            assert await taken(inbox, 100) == [Notice("0xid", number) for number in range(100)]

    async def test_notifications_are_not_taken_for_answers_nor_hold_them_up(self) -> None:
        node = ScriptedNode()
        async with self.connected(node) as transport:
            await transport.listen(timeout_s=LONG_S)
            await transport.exchange(echo("0x0"), timeout_s=LONG_S)
            for number in range(30_000):  # more than an inbox holds, and nobody reads it
                node.notify("0xid", number)
            (response,) = await transport.exchange(echo("0x1"), timeout_s=LONG_S)
        assert response.result == "0x1"

    async def test_an_inbox_that_nobody_reads_in_time_says_so(self) -> None:
        node = ScriptedNode()
        async with self.connected(node) as transport:
            inbox = await transport.listen(timeout_s=LONG_S)
            await transport.exchange(echo("0x0"), timeout_s=LONG_S)
            for number in range(30_000):
                node.notify("0xid", number)
            await transport.exchange(echo("0x1"), timeout_s=LONG_S)
            with pytest.raises(Overflow):
                await taken(inbox, 30_000)

    async def test_the_end_of_the_connection_is_told_after_all_that_came_before(self) -> None:
        node = ScriptedNode()
        async with self.connected(node) as transport:
            inbox = await transport.listen(timeout_s=LONG_S)
            await transport.exchange(echo("0x0"), timeout_s=LONG_S)
            node.notify("0xid", "last words")
            await wait_until(lambda: inbox.waiting)
            await self.lose(transport)
            assert await inbox.take() == [Notice("0xid", "last words")]
            with pytest.raises(Cut):
                await inbox.take()

    async def test_every_connection_has_a_number_of_its_own(self) -> None:
        async with self.connected(ScriptedNode()) as transport:
            assert transport.connection == 0
            await transport.exchange(echo("0x0"), timeout_s=LONG_S)
            first = transport.connection
            await transport.exchange(echo("0x1"), timeout_s=LONG_S)
            assert transport.connection == first != 0
            await self.lose(transport)
            assert transport.connection == 0
            await transport.exchange(echo("0x2"), timeout_s=LONG_S)
            assert transport.connection not in {0, first}

    async def test_a_connection_that_is_lost_is_told_of(self) -> None:
        told: list[int] = []
        async with self.connected(ScriptedNode()) as transport:
            transport.when_lost(lambda: told.append(1))
            await transport.exchange(echo("0x0"), timeout_s=LONG_S)
            await self.lose(transport)
            assert told == [1]

    async def test_one_that_is_closed_is_not(self) -> None:
        told: list[int] = []
        async with self.connected(ScriptedNode()) as transport:
            transport.when_lost(lambda: told.append(1))
            await transport.exchange(echo("0x0"), timeout_s=LONG_S)
        assert told == []


async def taken(inbox: Inbox, count: int) -> list[Notice]:
    """So many notices, or more."""
    found: list[Notice] = []
    while len(found) < count:
        found += await inbox.take()
    return found


async def failure_of(action: Callable[[], Awaitable[object]]) -> Transient:
    """What the action fails with."""
    with pytest.raises(Transient) as failed:
        await action()
    return failed.value
