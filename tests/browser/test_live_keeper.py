"""The live page of a real keeper, between a real chain and simulated prices."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from playwright.async_api import Browser, expect

from keeper.lab.anvil import Anvil
from keeper.lab.hermes import HermesSimulator
from tests.browser.visitor import Visitor, visiting
from tests.support.keeper_process import (
    RunningKeeper,
    devnet_contract,
    environment,
    keeper_running,
    simulator_running,
)


@dataclass
class World:
    """A keeper, and its source."""

    keeper: RunningKeeper
    simulator: HermesSimulator


@pytest.fixture
async def world(anvil: Anvil, tmp_path: Path) -> AsyncIterator[World]:
    """It keeps four feeds by their names, and pushes a price that differs by half a percent."""
    async with simulator_running(feeds=4) as simulator, devnet_contract(anvil, simulator) as contract:
        feeds = simulator.publisher.market.catalogue.feeds
        environ = environment(anvil.url, simulator, contract, tmp_path) | {"MIN_PRICE_CHANGE_PERCENT": "0.5"}
        del environ["PRICE_FEED_IDS"]
        config = tmp_path / "keeper.yaml"
        config.write_text(yaml.safe_dump({"feeds": [{"id": feed.id, "alias": feed.symbol} for feed in feeds]}))
        async with keeper_running(environ, tmp_path, "--config", str(config)) as keeper:
            yield World(keeper, simulator)


async def follow(visitor: Visitor) -> None:
    await visitor.open()
    await expect(visitor.connection).to_have_text("live")
    await expect(visitor.row("BTC/USD")).to_contain_text(re.compile(r"0\.000% of 0\.5%"))


async def test_prices_move_and_a_jump_is_pushed_before_ones_eyes(browser: Browser, world: World) -> None:
    async with visiting(browser, world.keeper.url) as visitor:
        await follow(visitor)
        row, pushes = visitor.row("ETH/USD"), visitor.page.locator("#timeline li")
        await world.simulator.control({"action": "jump", "feed": "ETH/USD", "price": "3410"})
        await expect(row).to_contain_text("3,410.00")
        await expect(row).to_contain_text("0.294% of 0.5%")
        await world.simulator.control({"action": "jump", "feed": "ETH/USD", "price": "4000"})
        push = pushes.filter(has_text="ETH/USD deviation")
        await expect(push).to_contain_text("confirmed")
        await expect(push).to_contain_text(re.compile(r"0\.0+\d+"))
        await expect(push).to_contain_text(re.compile(r"block\s\d+ · \d+\sms · [\d,]+\sgas"))
        on_chain = row.locator("td[data-label='On chain']")
        await expect(on_chain).to_have_text("4,000.00")
        await row.click()
        dialog = visitor.page.get_by_role("dialog")
        await expect(dialog).to_contain_text("deviation")
        assert visitor.complaints == []


async def test_a_lost_source_turns_red_and_comes_back(browser: Browser, world: World) -> None:
    async with visiting(browser, world.keeper.url) as visitor:
        await follow(visitor)
        chip = visitor.page.locator("#sources tbody tr .chip")
        await expect(chip).to_have_text("streaming")
        port = int(world.simulator.url.rpartition(":")[2])
        await world.simulator.stop()
        await expect(chip).to_have_attribute("data-tone", "bad")
        await expect(visitor.page.locator("#health")).to_have_text("unhealthy")
        await expect(visitor.page.get_by_role("heading", name="What is wrong")).to_be_visible()
        red = await chip.evaluate("node => getComputedStyle(node).color")
        assert int(re.findall(r"\d+", red)[0]) > 120
        await world.simulator.start(port=port)
        await expect(chip).to_have_text("streaming")
        await expect(chip).to_have_attribute("data-tone", "good")
        await expect(visitor.page.get_by_role("heading", name="What is wrong")).to_be_hidden()
        assert visitor.complaints == []
