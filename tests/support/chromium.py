"""Chromium as Debian ships it, driven by Playwright; `python -m tests.support.chromium` installs it."""

import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from playwright.async_api import Browser, async_playwright

from tests.support.debian import can_install, install

PROGRAM = Path("/usr/bin/chromium")
HOW_TO_INSTALL = "Chromium is not installed; enable with: make page, as root on Debian"
_PACKAGES = ("chromium", "fonts-inter", "fonts-jetbrains-mono", "pngquant")
"""The page asks for these fonts first: pictures of it look alike everywhere, and are made small."""


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """A browser without a window. Its sandbox wants rights that root in a container does not have."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=PROGRAM, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            await browser.close()


if __name__ == "__main__":
    if not (PROGRAM.is_file() and shutil.which("pngquant")) and can_install():
        sys.stderr.write("installing Chromium (apt-get install)\n")
        install(*_PACKAGES)
