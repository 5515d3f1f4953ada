"""A real Prometheus scrapes a real keeper: panels and alerts find the series they ask for, and an alert arrives."""

import asyncio
import json
import re
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from aiohttp import web

from grafana.boards import BOARDS
from grafana.build import FOLDER, build
from keeper.lab.anvil import Anvil
from tests.support import monitoring
from tests.support.keeper_process import (
    RunningKeeper,
    devnet_contract,
    environment,
    keeper_running,
    simulator_running,
)
from tests.support.monitoring import Prometheus, alertmanager_running, prometheus_running, promtool
from tests.support.ports import free_port
from tests.support.waiting import wait_until

REPOSITORY = Path(__file__).resolve().parents[2]
RULES = REPOSITORY / "prometheus" / "alerts.yaml"

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not monitoring.is_installed(), reason=monitoring.HOW_TO_INSTALL),
]

CONFIG = """
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: ["{rules}"]
alerting: {{alertmanagers: [{{static_configs: [{{targets: ["127.0.0.1:{alertmanager}"]}}]}}]}}
scrape_configs:
  - job_name: pyth-keeper
    static_configs: [{{targets: ["{keeper}"]}}]
"""
WEBHOOK = """
route: {{receiver: hook, group_wait: 0s}}
receivers: [{{name: hook, webhook_configs: [{{url: "{url}"}}]}}]
"""


@dataclass
class Watched:
    """A keeper that has pushed, and a Prometheus that looks at it."""

    keeper: RunningKeeper
    prometheus: Prometheus
    anvil: Anvil
    delivered: list[dict[str, Any]]
    """What Alertmanager told the webhook."""


@pytest.fixture
async def watched(anvil: Anvil, tmp_path: Path) -> AsyncIterator[Watched]:
    for_alertmanager, for_prometheus = free_port(), free_port()
    delivered: list[dict[str, Any]] = []
    async with (
        simulator_running(feeds=3) as simulator,
        devnet_contract(anvil, simulator) as contract,
        webhook(delivered) as url,
        alertmanager_running(WEBHOOK.format(url=url), tmp_path, for_alertmanager),
    ):
        # With a limit on what a day may cost, as some panels and alerts are about it.
        environ = environment(anvil.url, simulator, contract, tmp_path) | {"DAILY_BUDGET": "1"}
        async with keeper_running(environ, tmp_path) as keeper:
            await wait_until(lambda: keeper.told("push_confirmed"))
            config = CONFIG.format(
                rules=RULES, alertmanager=for_alertmanager, keeper=keeper.url.removeprefix("http://")
            )
            async with prometheus_running(config, tmp_path, for_prometheus) as prometheus:
                yield Watched(keeper, prometheus, anvil, delivered)


@asynccontextmanager
async def webhook(delivered: list[dict[str, Any]]) -> AsyncIterator[str]:
    """A receiver of alerts; its URL."""

    async def take(request: web.Request) -> web.Response:
        delivered.append(await request.json())
        return web.Response()

    app = web.Application()
    app.router.add_post("/", take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()


def test_the_dashboards_are_what_the_code_makes() -> None:
    assert {path.name: path.read_text() for path in FOLDER.glob("*.json")} == {
        f"{board.name}.json": build(board) for board in BOARDS
    }


def panels() -> Iterator[tuple[str, str]]:
    """Title and expression of all panels, with everything chosen."""
    for path in sorted(FOLDER.glob("*.json")):
        for panel in json.loads(path.read_text())["panels"]:
            for target in panel["targets"]:
                chosen = re.sub(r"\$(namespace|network)\b", ".*", target["expr"]).replace("$__rate_interval", "1m")
                yield f"{path.stem}: {panel['title']}", chosen


def selectors(expression: str) -> list[str]:
    """What an expression asks Prometheus for."""
    found: list[str] = []

    def visit(node: Any) -> bool:
        if isinstance(node, promql_parser.VectorSelector):
            found.append(str(node))
        return True

    promql_parser.walk(promql_parser.parse(expression), visit)
    return found


UNKNOWN_FOR_AN_HOUR = "keeper_runway_seconds"
"""How long a balance lasts is known by the burn of the last hour."""
NOT_NOW = {
    'keeper_feed_state{state!~"ok|closed"}',
    f"{UNKNOWN_FOR_AN_HOUR}{{}}",
    "keeper_health_line_timestamp_seconds{}",  # for a minute
}
"""What has no series on a keeper that is well and has just started."""


async def test_every_panel_and_every_alert_finds_its_series(watched: Watched) -> None:
    prometheus = watched.prometheus
    empty = [(title, expression) for title, expression in panels() if UNKNOWN_FOR_AN_HOUR not in expression]

    async def none_is_empty() -> bool:
        """A rate wants a series to have been scraped twice."""
        empty[:] = [panel for panel in empty if not await prometheus.query(panel[1])]
        return not empty

    with suppress(AssertionError):
        await wait_until(none_is_empty, timeout_s=60)
    assert empty == []

    for group in yaml.safe_load(RULES.read_text())["groups"]:
        for rule in group["rules"]:
            await prometheus.query(rule["expr"])
            for selector in set(selectors(rule["expr"])) - NOT_NOW:
                assert await prometheus.query(selector), f"{rule['alert']} asks for {selector}"


async def test_nothing_fires_while_all_is_well_and_an_outage_reaches_the_webhook(watched: Watched) -> None:
    await wait_until(lambda: watched.prometheus.query('up{job="pyth-keeper"}'))
    assert await watched.prometheus.firing() <= {"LowBalance"}

    watched.anvil.process.send_signal(signal.SIGSTOP)
    try:
        await wait_until(lambda: any(named("AllRpcEndpointsDown", watched.delivered)), timeout_s=120)
    finally:
        watched.anvil.process.send_signal(signal.SIGCONT)


def named(alert: str, delivered: list[dict[str, Any]]) -> Iterator[bool]:
    for message in delivered:
        for told in message["alerts"]:
            yield told["labels"]["alertname"] == alert and told["annotations"]["runbook_url"].startswith("docs/")


async def test_the_metrics_pass_promtool(watched: Watched) -> None:
    _, text = await watched.keeper.get("/metrics")
    checked = await asyncio.to_thread(promtool, "check", "metrics", stdin=text)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")
