"""A browser, and what the page needs to be looked at."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser

from tests.browser.stage import Stage
from tests.integration.conftest import anvil, anvil_binary
from tests.support.chromium import HOW_TO_INSTALL, PROGRAM, chromium

__all__ = ["anvil", "anvil_binary", "browser", "stage"]


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """Chromium; where there is none, the test is skipped with how to get it."""
    if not PROGRAM.is_file():
        pytest.skip(HOW_TO_INSTALL)
    async with chromium() as running:
        yield running


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    """The keeper's real server, with a state and events that the test sets."""
    async with Stage() as running:
        yield running
