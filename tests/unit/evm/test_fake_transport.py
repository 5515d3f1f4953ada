"""The fake that the pool's tests use keeps the transports' contract."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.support.scripted_node import FakeSocketTransport, FakeTransport, ScriptedNode
from tests.support.transport_contract import SocketContract, SocketTransport, TransportContract


@pytest.mark.looptime
class TestFakeTransport(TransportContract):
    @asynccontextmanager
    async def connected(self, node: ScriptedNode) -> AsyncIterator[FakeTransport]:
        yield FakeTransport("fake", node)


@asynccontextmanager
async def socket_to(node: ScriptedNode) -> AsyncIterator[FakeSocketTransport]:
    transport = FakeSocketTransport("fake", node)
    yield transport
    await transport.close()


@pytest.mark.looptime
class TestFakeSocketTransport(TransportContract):
    @asynccontextmanager
    async def connected(self, node: ScriptedNode) -> AsyncIterator[FakeSocketTransport]:
        async with socket_to(node) as transport:
            yield transport


@pytest.mark.looptime
class TestListening(SocketContract):
    @asynccontextmanager
    async def connected(self, node: ScriptedNode) -> AsyncIterator[FakeSocketTransport]:
        async with socket_to(node) as transport:
            yield transport

    async def lose(self, transport: SocketTransport) -> None:
        assert isinstance(transport, FakeSocketTransport)
        transport.lose()
