"""Both transports over real sockets."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from keeper.domain.errors import Transient, Uncertain
from keeper.evm.rpc import transport as transport_to
from keeper.evm.transport import Transport
from keeper.evm.wire import ErrorAnswer
from keeper.evm.ws import WsTransport
from tests.support.scripted_node import Fault, ScriptedNode
from tests.support.served_node import ServedNode
from tests.support.transport_contract import (
    LONG_S,
    SHORT_S,
    SocketContract,
    SocketTransport,
    TransportContract,
    echo,
    failure_of,
)
from tests.support.waiting import PATIENCE_S, wait_until


@asynccontextmanager
async def served(node: ScriptedNode, scheme: str) -> AsyncIterator[Transport]:
    async with ServedNode(node) as server:
        if node.fault is Fault.REFUSES:
            await server.stop()
        transport = transport_to("main", server.http_url if scheme == "http" else server.ws_url)
        try:
            yield transport
        finally:
            await transport.close()


class TestHttp(TransportContract):
    @asynccontextmanager
    async def connected(self, node: ScriptedNode) -> AsyncIterator[Transport]:
        async with served(node, "http") as transport:
            yield transport


class TestWebSocket(TransportContract):
    @asynccontextmanager
    async def connected(self, node: ScriptedNode) -> AsyncIterator[Transport]:
        async with served(node, "ws") as transport:
            yield transport


class TestListening(SocketContract):
    @asynccontextmanager
    async def connected(self, node: ScriptedNode) -> AsyncIterator[WsTransport]:
        async with ServedNode(node) as server:
            self._server = server
            transport = WsTransport("main", server.ws_url)
            yield transport
            await transport.close()

    async def lose(self, transport: SocketTransport) -> None:
        await self._server.stop()
        await self._server.start()
        await wait_until(lambda: not transport.connection)


async def test_http_asks_for_a_batch_in_one_request() -> None:
    node = ScriptedNode()
    async with served(node, "http") as transport:
        await transport.exchange(echo("0x1", "0x2", "0x3"), timeout_s=LONG_S)
    assert node.bodies == 1


async def test_http_remembers_that_batches_are_refused() -> None:
    node = ScriptedNode(fault=Fault.REFUSES_BATCHES)
    async with served(node, "http") as transport:
        await transport.exchange(echo("0x1", "0x2", "0x3"), timeout_s=LONG_S)
        before = node.bodies
        await transport.exchange(echo("0x1", "0x2", "0x3"), timeout_s=LONG_S)
    assert node.bodies - before == 3


async def test_http_does_not_take_a_throttled_batch_for_a_refused_one() -> None:
    throttled = ErrorAnswer(-32005, "rate limit exceeded")
    node = ScriptedNode(fault=Fault.REFUSES_BATCHES, fault_messages=1, batch_refusal=throttled)
    async with served(node, "http") as transport:
        responses = await transport.exchange(echo("0x1", "0x2"), timeout_s=LONG_S)
        assert [response.error for response in responses] == [throttled, throttled]
        await transport.exchange(echo("0x1", "0x2"), timeout_s=LONG_S)
    assert node.bodies == 2


@pytest.mark.parametrize("status", [400, 500, 503])
async def test_http_reads_errors_that_come_with_another_status(status: int) -> None:
    error = ErrorAnswer(-32000, "nonce too low")
    async with served(ScriptedNode(http_status=status, answers={"test_echo": error}), "http") as transport:
        (response,) = await transport.exchange(echo("0x1"), timeout_s=LONG_S)
    assert response.error == error


@pytest.mark.parametrize(("status", "kind"), [(404, Transient), (413, Transient), (502, Uncertain)])
async def test_http_names_a_status_that_comes_without_an_answer(status: int, kind: type[Transient]) -> None:
    async with served(ScriptedNode(http_status=status, fault=Fault.BABBLES), "http") as transport:
        failure = await failure_of(lambda: transport.exchange(echo("0x1"), timeout_s=LONG_S))
    assert type(failure) is kind
    assert f"HTTP {status}" in str(failure)


async def test_websocket_connects_again_when_the_node_is_back() -> None:
    async with ServedNode(ScriptedNode()) as server:
        transport = WsTransport("main", server.ws_url)
        await transport.exchange(echo("0x1"), timeout_s=LONG_S)
        await server.stop()
        await failure_of(lambda: transport.exchange(echo("0x2"), timeout_s=SHORT_S))
        await server.start()
        (response,) = await transport.exchange(echo("0x3"), timeout_s=LONG_S)
        await transport.close()
    assert response.result == "0x3"


async def test_websocket_fails_what_is_under_way_as_soon_as_the_socket_is_lost() -> None:
    node = ScriptedNode(fault=Fault.HANGS)
    async with ServedNode(node) as server:
        transport = WsTransport("main", server.ws_url)
        asked = asyncio.create_task(transport.exchange(echo("0x1"), timeout_s=2 * PATIENCE_S))
        await wait_until(lambda: node.requests)
        await server.stop()
        failure = await failure_of(lambda: asyncio.wait_for(asked, PATIENCE_S))
        await transport.close()
    assert isinstance(failure, Uncertain)


async def test_websocket_passes_over_messages_that_answer_nothing() -> None:
    notification = '{"jsonrpc":"2.0","method":"eth_subscription","params":{"subscription":"0x1","result":{}}}'
    async with ServedNode(ScriptedNode(), greeting=notification) as server:
        transport = WsTransport("main", server.ws_url)
        (response,) = await transport.exchange(echo("0x1"), timeout_s=LONG_S)
        await transport.close()
    assert response.result == "0x1"


@pytest.mark.parametrize("scheme", ["http", "ws"])
async def test_leaves_no_task_behind(scheme: str) -> None:
    before = asyncio.all_tasks()
    async with served(ScriptedNode(), scheme) as transport:
        await transport.exchange(echo("0x1"), timeout_s=LONG_S)
    assert asyncio.all_tasks() == before


@asynccontextmanager
async def silent_port() -> AsyncIterator[int]:
    """A server that lets connect and says nothing."""
    stopped = asyncio.Event()

    async def wait(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await stopped.wait()
        writer.transport.abort()

    server = await asyncio.start_server(wait, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        stopped.set()
        server.close()


async def failure_at(url: str, *, timeout_s: float = LONG_S) -> Transient:
    transport = transport_to("main", url)
    try:
        return await failure_of(lambda: transport.exchange(echo("0x1"), timeout_s=timeout_s))
    finally:
        await transport.close()


@pytest.mark.parametrize("scheme", ["https", "ws", "wss"])
async def test_a_connection_that_is_never_made_has_carried_nothing(scheme: str) -> None:
    async with silent_port() as port:
        failure = await failure_at(f"{scheme}://127.0.0.1:{port}", timeout_s=SHORT_S)
    assert type(failure) is Transient
    assert "no connection within" in str(failure)


@pytest.mark.parametrize("scheme", ["https", "wss"])
async def test_a_node_that_does_not_speak_tls_is_told_so(scheme: str) -> None:
    async with ServedNode(ScriptedNode()) as server:
        failure = await failure_at(server.http_url.replace("http", scheme))
    assert type(failure) is Transient
    assert "TLS" in str(failure)


async def test_an_address_that_offers_no_websocket_is_told_so() -> None:
    async with ServedNode(ScriptedNode()) as server:
        failure = await failure_at(f"{server.ws_url}/nowhere")
    assert type(failure) is Transient
    assert "HTTP 404 where a WebSocket is due" in str(failure)
