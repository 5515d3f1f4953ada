"""Takes the pictures of the live page that README.md shows, of a real keeper on a devnet: `make screenshots`."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml
from playwright.async_api import Browser, expect

from keeper.lab.anvil import Anvil
from keeper.lab.anvil_install import ensure_anvil
from tests.browser.visitor import visiting
from tests.support.chromium import chromium
from tests.support.keeper_process import devnet_contract, environment, keeper_running, simulator_running

IMAGES = Path(__file__).parents[2] / "docs" / "images"
FEEDS = 14
WATCHED_S = 75.0
"""For lines that tell something."""
DESK = {"width": 1440, "height": 1010}
PHONE = {"width": 390, "height": 844}


@asynccontextmanager
async def keeper_on_devnet() -> AsyncIterator[str]:
    """The address of a keeper that has something to do."""
    binary = await ensure_anvil(announce=print)
    with TemporaryDirectory() as name:
        folder = Path(name)
        async with (
            Anvil(binary, block_time_s=2) as node,
            simulator_running(feeds=FEEDS, volatility_ppm=60, interval_ms=400) as simulator,
            simulator_running(feeds=FEEDS, volatility_ppm=60, interval_ms=400) as second,
            devnet_contract(node, simulator) as contract,
        ):
            feeds = simulator.publisher.market.catalogue.feeds
            config = {
                "network_name": "devnet",
                "feeds": [{"id": feed.id, "alias": feed.symbol} for feed in feeds],
                "hermes": [{"url": simulator.url, "name": "hermes"}, {"url": second.url, "name": "hermes-2"}],
            }
            (folder / "keeper.yaml").write_text(yaml.safe_dump(config))
            environ = environment(node.url, simulator, contract, folder) | {
                "MIN_PRICE_CHANGE_PERCENT": "0.05",
                "MAX_STALENESS": "120",
                "DAILY_BUDGET": "0.05",
            }
            for setting in ("PRICE_FEED_IDS", "HERMES_URL"):
                del environ[setting]
            async with keeper_running(environ, folder, "--config", str(folder / "keeper.yaml")) as keeper:
                yield keeper.url


async def take(browser: Browser, url: str) -> None:
    """Look at it for a while, then take all the pictures."""
    desk = {"viewport": DESK, "device_scale_factor": 1.5}
    async with (
        visiting(browser, url, color_scheme="light", **desk) as light,
        visiting(browser, url, color_scheme="dark", **desk) as dark,
        visiting(browser, url, color_scheme="light", viewport=PHONE, device_scale_factor=1.5, has_touch=True) as phone,
    ):
        for visitor in (light, dark, phone):
            await visitor.open()
            await expect(visitor.connection).to_have_text("live")
        await asyncio.sleep(WATCHED_S)
        for name, visitor in (("light", light), ("dark", dark), ("phone", phone)):
            await expect(visitor.page.locator("#timeline .chip").first).to_have_text("in flight")
            save(await visitor.page.screenshot(), name)
        await phone.row("ETH/USD").tap()
        await expect(phone.page.get_by_role("dialog")).to_contain_text("Rules")
        save(await phone.page.screenshot(), "feed")


def save(picture: bytes, name: str) -> None:
    """A picture with a palette of its own is a quarter of the size."""
    command = ["pngquant", "--quality", "80-98", "--speed", "1", "--strip", "-"]
    smaller = subprocess.run(command, input=picture, stdout=subprocess.PIPE, check=True)
    (IMAGES / f"live-page-{name}.png").write_bytes(smaller.stdout)


async def main() -> None:
    IMAGES.mkdir(parents=True, exist_ok=True)
    async with keeper_on_devnet() as url, chromium() as browser:
        sys.stderr.write(f"looking at {url} for {WATCHED_S:g} s\n")
        await take(browser, url)


if __name__ == "__main__":
    asyncio.run(main())
