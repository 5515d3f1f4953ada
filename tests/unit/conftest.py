"""Unit tests depend on nothing outside: no socket, no environment, no `.env`, and the same dice every time."""

import os
import random
from collections.abc import Iterator

import pytest
from pytest_socket import disable_socket, enable_socket

KEPT_VARIABLES = frozenset({"CI", "HOME", "KEEPER_FIXTURES", "LANG", "LC_ALL", "PATH", "TMPDIR"})
KEPT_PREFIXES = ("COV", "PYTEST")


@pytest.fixture(scope="package", autouse=True)
def _bare_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Hide the developer's variables and `.env` file."""
    with pytest.MonkeyPatch.context() as patch:
        for name in set(os.environ) - KEPT_VARIABLES:
            if not name.startswith(KEPT_PREFIXES):
                patch.delenv(name)
        patch.chdir(tmp_path_factory.mktemp("empty"))
        yield


@pytest.fixture(autouse=True)
def _fixed_dice() -> None:
    random.seed(0)


@pytest.fixture(autouse=True)
def _no_sockets() -> Iterator[None]:
    """Refuse every socket but the pair by which an asyncio loop wakes itself."""
    disable_socket(allow_unix_socket=True)
    yield
    enable_socket()
