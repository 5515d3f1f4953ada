"""What the drills run on: a real API server and the parts of the integration tests; and a table of what came of it."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from keeper.lab.anvil import Anvil
from tests.integration.conftest import anvil, anvil_binary, node, postgres
from tests.support.kube.api_server import HOW_TO_BUILD, KubeApiServer, is_built
from tests.support.kube.stage import Row, Stage, staged
from tests.support.node import Node

__all__ = ["anvil", "anvil_binary", "kube", "node", "postgres", "stage"]

ROWS = pytest.StashKey[list[Row]]()


@pytest.fixture(scope="session")
def kube() -> Iterator[KubeApiServer]:
    """An API server; where it was never built, the test is skipped with how to build it."""
    if not is_built():
        pytest.skip(HOW_TO_BUILD)
    with KubeApiServer() as server:
        yield server


@pytest.fixture
async def stage(
    kube: KubeApiServer, anvil: Anvil, node: Node, tmp_path: Path, request: pytest.FixtureRequest
) -> AsyncIterator[Stage]:
    """A chain and a namespace of its own for each drill."""
    rows = request.config.stash.setdefault(ROWS, [])
    async with staged(kube, anvil, node, folder=tmp_path, report=rows.append) as built:
        yield built


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what each fault led to, as a table for a document."""
    rows = terminalreporter.config.stash.get(ROWS, [])
    if not rows:
        return
    terminalreporter.section("faults")
    terminalreporter.line("| fault | takeover, ms | gap, ms | landed | duplicates |")
    terminalreporter.line("|---|---|---|---|---|")
    for row in rows:
        takeover = "" if row.takeover_s is None else f"{row.takeover_s * 1000:,.0f}"
        gap = f"{row.gap_s * 1000:,.0f}"
        terminalreporter.line(f"| {row.fault} | {takeover} | {gap} | {row.landed} | {row.duplicates} |")
