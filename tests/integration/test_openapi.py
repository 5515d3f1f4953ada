"""What /openapi.json says is what a real keeper does: every route is in it, and schemathesis finds no difference."""

import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from keeper.lab.anvil import Anvil
from tests.support.keeper_process import (
    RunningKeeper,
    devnet_contract,
    environment,
    keeper_running,
    simulator_running,
)

SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
_SHOWN = 5000
TOKEN = "correct-horse-battery-staple"
SETTINGS = """
[parameters]
network = {network}
feed = {feed}
file = "page.js"

[checks.positive_data_acceptance]
# A name that nothing has is well-formed, and told to be wrong.
expected-statuses = ["2xx", "3xx", 400, 404, 409]

[checks.negative_data_rejection]
expected-statuses = [400, 401, 404, 405, 413, 415]
"""


@pytest.fixture
async def keeper(anvil: Anvil, tmp_path: Path) -> AsyncIterator[RunningKeeper]:
    async with (
        simulator_running(feeds=2) as simulator,
        devnet_contract(anvil, simulator) as contract,
    ):
        environ = environment(anvil.url, simulator, contract, tmp_path) | {
            "CONTROL_TOKEN": TOKEN,
            "HTTP_REQUESTS_PER_MINUTE": "1000",
        }
        async with keeper_running(environ, tmp_path) as running:
            yield running


async def document(keeper: RunningKeeper) -> dict[str, Any]:
    status, told = await keeper.get("/openapi.json")
    assert status == 200
    found: dict[str, Any] = told
    return found


def documented_path(path: str) -> str:
    """As the document spells it: without the patterns of parts, and the page's files as one."""
    return re.sub(r"^/page/.+", "/page/{file}", re.sub(r"\{(\w+):[^}]*\}", r"{\1}", path))


async def test_every_route_is_in_the_document_and_no_other(keeper: RunningKeeper) -> None:
    status, nothing = await keeper.get("/nothing")
    assert status == 404
    assert {documented_path(path) for path in nothing["routes"]} == (await document(keeper))["paths"].keys()


async def test_schemathesis_finds_nothing(keeper: RunningKeeper, tmp_path: Path) -> None:
    network = await keeper.network()
    names = {"network": json.dumps(network["name"]), "feed": json.dumps(network["feeds"][0]["alias"])}
    (tmp_path / "schemathesis.toml").write_text(SETTINGS.format_map(names))
    process = await asyncio.create_subprocess_exec(
        SCHEMATHESIS,
        "run",
        f"{keeper.url}/openapi.json",
        *("--checks", "all", "--max-examples", "25", "--seed", "1", "--no-color"),
        *("--exclude-path-regex", "^/v1/(sse|ws)/"),  # they never end
        *("--header", f"Authorization: Bearer {TOKEN}"),
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()[:_SHOWN]
    assert keeper.told("request_failed") == []
