"""What the drills run on: a real API server, and the real parts of the integration tests."""

from collections.abc import Iterator

import pytest

from tests.integration.conftest import anvil, anvil_binary, node, postgres
from tests.support.kube.api_server import HOW_TO_BUILD, KubeApiServer, is_built

__all__ = ["anvil", "anvil_binary", "kube", "node", "postgres"]


@pytest.fixture(scope="session")
def kube() -> Iterator[KubeApiServer]:
    """An API server; where it was never built, the test is skipped with how to build it."""
    if not is_built():
        pytest.skip(HOW_TO_BUILD)
    with KubeApiServer() as server:
        yield server
