"""A real keeper with secrets wherever one is taken, through failures that quote them: none comes out anywhere."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, unquote

import asyncpg
import pytest
import yaml

from keeper.lab.anvil import DEV_PRIVATE_KEY, Anvil
from keeper.lab.hermes import HermesSimulator
from tests.support.keeper_process import (
    KEEPER,
    RunningKeeper,
    devnet_contract,
    environment,
    keeper_running,
    simulator_running,
)
from tests.support.postgres import PASSWORD, QUOTED_PASSWORD, PostgresProcess
from tests.support.talkative_node import QUOTED, Mood, TalkativeNode, talkative_node
from tests.support.waiting import wait_until

ROUTES = (
    *("/health", "/health/live", "/health/ready", "/status", "/supported", "/monitoring/status", "/metrics"),
    "/nothing",
)
PATH_KEY = "path-key-of-the-first-node/with=signs"
QUERY_KEY = "query-key-of-the-second-node"
LOGIN, LOGIN_PASSWORD = "login-at-the-node", "p@ss word:of/the+node"
HERMES_KEY = "hermes-key-0123456789-abc/def+ghi=="
NEXT_HERMES_KEY = "the-hermes-key-that-comes-next"
WEBHOOK_KEY = "key-in-the-path-of-the-webhook"
TOKEN = "control-token-correct-horse-battery"
NEXT_TOKEN = "control-token-that-comes-next"
WRONG_PASSWORD = "not-it-but-secret-too"
SECRETS = (
    *(DEV_PRIVATE_KEY.hex(), PATH_KEY, QUERY_KEY, LOGIN_PASSWORD, f"{LOGIN}:{LOGIN_PASSWORD}"),
    *(HERMES_KEY, NEXT_HERMES_KEY, WEBHOOK_KEY, TOKEN, NEXT_TOKEN, PASSWORD, WRONG_PASSWORD),
)


def spellings(secret: str) -> Iterator[str]:
    yield from (secret, quote(secret), quote(secret, safe=""), json.dumps(secret)[1:-1])
    yield base64.b64encode(secret.encode()).decode().rstrip("=")
    yield base64.urlsafe_b64encode(secret.encode()).decode().rstrip("=")


def leaks(text: str) -> list[str]:
    """The secrets that stand in a text."""
    lower = text.lower()
    return [secret for secret in SECRETS if any(each.lower() in lower for each in spellings(secret))]


@dataclass
class World:
    """Everything around the keeper."""

    anvil: Anvil
    simulator: HermesSimulator
    rpc: TalkativeNode
    settings: dict[str, str]
    folder: Path
    database: str
    outputs: dict[str, str] = field(default_factory=dict)
    """All that came out, by where."""

    def given(self, way: str) -> tuple[dict[str, str], list[str]]:
        """The secrets in the environment, in files that it names, or in YAML: environment and arguments."""
        bare = {name: value for name, value in self.settings.items() if name not in self._secret_settings()}
        secret = self._secret_settings()
        match way:
            case "environment":
                return bare | secret, []
            case "files":
                paths = {f"{name}_FILE": str(self.file(name, secret.pop(name))) for name in FILES}
                return bare | secret | paths, []
            case _:
                path = self.folder / "keeper.yaml"
                path.write_text(yaml.safe_dump({name.lower(): value for name, value in secret.items()}))
                return bare, ["--config", str(path)]

    def file(self, name: str, content: str) -> Path:
        path = self.folder / name.lower()
        path.write_text(content)
        return path

    def _secret_settings(self) -> dict[str, str]:
        host = f"127.0.0.1:{self.rpc.port}"
        login = f"{LOGIN}:{quote(LOGIN_PASSWORD, safe='')}"
        path = quote(PATH_KEY, safe="")
        return {
            "PRIVATE_KEY": DEV_PRIVATE_KEY.hex(),
            "RPC_URL": f"http://{login}@{host}/v2/{path},http://{host}/?apikey={QUERY_KEY}",
            "HERMES_API_KEY": HERMES_KEY,
            "CONTROL_TOKEN": TOKEN,
            "ALERT_WEBHOOK_URL": f"http://{host}/services/{WEBHOOK_KEY}",
            "JOURNAL_URL": self.database,
        }


FILES = ("PRIVATE_KEY", "HERMES_API_KEY", "CONTROL_TOKEN", "ALERT_WEBHOOK_URL")


@pytest.fixture
async def world(anvil: Anvil, postgres: PostgresProcess, tmp_path: Path) -> AsyncIterator[World]:
    async with (
        simulator_running(feeds=2, api_key=HERMES_KEY) as simulator,
        devnet_contract(anvil, simulator) as contract,
        talkative_node(anvil.url) as rpc,
    ):
        settings = environment(anvil.url, simulator, contract, tmp_path) | {
            "LOG_LEVEL": "debug",
            "MONITORING_INTERVAL_MS": "1000",
        }
        yield World(anvil, simulator, rpc, settings, tmp_path, await postgres.new_database())


async def run_command(world: World, environ: dict[str, str], *arguments: str) -> int | None:
    process = await asyncio.create_subprocess_exec(
        KEEPER,
        *arguments,
        env=environ,
        cwd=world.folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    place = f"keeper {arguments[0]}"
    world.outputs[place] = world.outputs.get(place, "") + output.decode()
    return process.returncode


async def look_at_everything(world: World, keeper: RunningKeeper) -> None:
    """All routes, and orders with a wrong token and with a wrong body."""
    for path in ROUTES:
        async with keeper.session.get(keeper.url + path) as response:
            headers = str(dict(response.headers))
            world.outputs[path] = world.outputs.get(path, "") + headers + await response.text()
    for token, body in (("wrong-token", "{}"), (TOKEN, f'{{"feeds": ["{HERMES_KEY}"'), (TOKEN, "[]")):
        headers_ = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        async with keeper.session.post(f"{keeper.url}/v1/updates", data=body, headers=headers_) as response:
            assert response.status in {400, 401}
            world.outputs["/v1/updates"] = world.outputs.get("/v1/updates", "") + await response.text()


async def order(keeper: RunningKeeper, token: str = TOKEN) -> int:
    headers = {"Authorization": f"Bearer {token}"}
    async with keeper.session.post(f"{keeper.url}/v1/updates", json={}, headers=headers) as response:
        return response.status


@asynccontextmanager
async def recorded(
    world: World, environ: dict[str, str], arguments: list[str], *, ready: bool = True
) -> AsyncIterator[RunningKeeper]:
    """A running keeper, whose log is kept."""
    keeper: RunningKeeper | None = None
    try:
        async with keeper_running(environ, world.folder, *arguments, ready=ready) as keeper:
            yield keeper
    finally:
        lines = keeper.lines if keeper is not None else []
        world.outputs["log"] = world.outputs.get("log", "") + "\n".join(
            json.dumps(line, ensure_ascii=False) for line in lines
        )


async def journal_rows(url: str) -> str:
    """All that is in all tables of the journal."""
    connection = await asyncpg.connect(url)
    try:
        tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        names = [table["tablename"] for table in tables]
        rows = [await connection.fetch(f'SELECT t::text FROM "{name}" t') for name in names]  # noqa: S608  our own
        return "\n".join(str(row[0]) for each in rows for row in each)
    finally:
        await connection.close()


@pytest.mark.parametrize("way", ["environment", "files", "yaml"])
async def test_no_secret_comes_out_through_failures_that_quote_them(world: World, way: str) -> None:
    environ, arguments = world.given(way)
    for mood in Mood:
        world.rpc.mood = mood
        code = await run_command(world, environ, "check", *arguments)
        assert (code == 0) is (mood is Mood.HELPFUL), world.outputs["keeper check"]

    await run_command(world, environ, "alert", *arguments)
    world.rpc.mood = Mood.HELPFUL
    async with recorded(world, environ, arguments) as keeper:
        await wait_until(lambda: keeper.told("push_confirmed"))
        await look_at_everything(world, keeper)

        world.rpc.mood = Mood.QUOTING
        assert await order(keeper) == 202
        await wait_until(lambda: keeper.told("push_dropped") and keeper.told("chain_read_failed"))
        await look_at_everything(world, keeper)
        world.rpc.mood = Mood.LOCKED
        failed = len(keeper.told("chain_read_failed"))
        await wait_until(lambda: len(keeper.told("chain_read_failed")) > failed + 1)
        await look_at_everything(world, keeper)

        world.rpc.mood = Mood.HELPFUL
        await world.simulator.control({"action": "api_key", "key": NEXT_HERMES_KEY})
        await world.simulator.control({"action": "drop"})
        await wait_until(lambda: keeper.told("source_lost"))
        if way == "files":
            world.file("HERMES_API_KEY", NEXT_HERMES_KEY)
            connected = len(keeper.told("source_connected"))
            await wait_until(lambda: len(keeper.told("source_connected")) > connected)
            world.file("CONTROL_TOKEN", NEXT_TOKEN)
            assert await order(keeper) == 401
            assert await order(keeper, NEXT_TOKEN) == 202
        await look_at_everything(world, keeper)
    world.outputs["journal"] = await journal_rows(world.database)
    await run_command(world, environ, "journal", "list", *arguments)

    refused = environ | {"JOURNAL_URL": world.database.replace(QUOTED_PASSWORD, WRONG_PASSWORD)}
    async with recorded(world, refused, arguments, ready=False) as keeper:
        await wait_until(lambda: keeper.told("journal_failed"))
        await look_at_everything(world, keeper)
    assert "refuses user or password" in world.outputs["log"]

    assert any(PATH_KEY in unquote(heard) for heard in world.rpc.heard)
    assert any("Basic " in heard for heard in world.rpc.heard)
    for place in ("log", "journal"):
        assert QUOTED in world.outputs[place], f"the test is void: {place} quotes nothing"
        assert "[redacted]" in world.outputs[place]
    assert {place: leaks(text) for place, text in world.outputs.items() if leaks(text)} == {}
