"""The fake that the pool's tests use keeps the transports' contract."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.support.scripted_node import FakeTransport, ScriptedNode
from tests.support.transport_contract import TransportContract


@pytest.mark.looptime
class TestFakeTransport(TransportContract):
    @asynccontextmanager
    async def connected(self, node: ScriptedNode) -> AsyncIterator[FakeTransport]:
        yield FakeTransport("fake", node)
