"""What the image is built and run with."""

from collections.abc import Iterator

import pytest

from tests.integration.conftest import anvil, anvil_binary, node
from tests.support.images import keeper_image
from tests.support.podman import HOW_TO_ENABLE, Podman, can_run

__all__ = ["anvil", "anvil_binary", "image", "node", "podman"]


@pytest.fixture(scope="session")
def podman() -> Iterator[Podman]:
    """Podman; where it cannot run, the test is skipped with how to get it."""
    if not can_run():
        pytest.skip(HOW_TO_ENABLE)
    with Podman() as service:
        yield service


@pytest.fixture(scope="session")
def image(podman: Podman) -> str:
    """The image of this keeper, built of the files that are here."""
    return keeper_image(podman)
