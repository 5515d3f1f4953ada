"""Real parts for the tests that need them."""

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from keeper.domain.errors import KeeperError
from keeper.lab.anvil import Anvil
from keeper.lab.anvil_install import ensure_anvil
from tests.support.node import Node
from tests.support.ports import free_port
from tests.support.postgres import HOW_TO_INSTALL, PostgresProcess, find


def _announce(line: str) -> None:
    sys.stderr.write(f"{line}\n")


@pytest.fixture(scope="session")
def anvil_binary() -> Path:
    """Anvil, downloaded if need be; where that fails the test is skipped with what is missing."""
    try:
        return asyncio.run(ensure_anvil(announce=_announce))
    except KeeperError as exc:
        pytest.skip(str(exc))


@pytest.fixture
async def anvil(anvil_binary: Path) -> AsyncIterator[Anvil]:
    """A fresh chain that mines every transaction at once."""
    async with Anvil(anvil_binary) as running:
        yield running


@pytest.fixture
async def node(anvil: Anvil) -> AsyncIterator[Node]:
    """The chain's JSON-RPC, with its unlocked account."""
    async with Node(anvil.url) as client:
        yield client


@pytest.fixture
def unused_tcp_port() -> int:
    """A port that nobody is given while the test runs, unlike those of pytest-asyncio."""
    return free_port()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresProcess]:
    """A PostgreSQL server; where there is none, the test is skipped with how to get it."""
    if find("initdb") is None:
        pytest.skip(HOW_TO_INSTALL)
    with PostgresProcess() as server:
        yield server
