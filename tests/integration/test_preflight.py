"""Every precondition of a run, met and missed: a real node and contract, the Hermes simulator, real sockets."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiohttp import web

from keeper.app.loading import load
from keeper.app.preflight import Finding, State, preflight
from keeper.evm.wire import ErrorAnswer
from keeper.lab.anvil import Anvil
from keeper.lab.hermes import HermesSimulator
from keeper.lab.hermes.updates import Emitter
from keeper.server import overview
from keeper.server.app import Server
from keeper.server.event_metrics import EventMetrics
from keeper.signing.raw_key import RawKeySigner
from tests.support.hermes import LATEST, asking, get
from tests.support.keeper_process import devnet_contract, environment, simulator_running
from tests.support.node import Node
from tests.support.pyth_contract import update_calldata
from tests.support.scripted_node import ScriptedNode
from tests.support.served_node import KEY, ServedNode
from tests.support.status import Watched
from tests.support.waiting import PATIENCE_S

API_KEY = "open-sesame-open-sesame"
BTC, ETH, SOL = "BTC/USD", "ETH/USD", "SOL/USD"
STRANGER = "0x000000000000000000000000000000000000dEaD"
OTHER_KEY = "22" * 32
OTHER_ACCOUNT = RawKeySigner(bytes.fromhex(OTHER_KEY)).address
PUSH_CHECKS = ("update fee", "simulated push")


@dataclass
class World:
    """All that a keeper needs, in working order."""

    anvil: Anvil
    node: Node
    simulator: HermesSimulator
    environ: dict[str, str]

    async def checked(self, **changes: str) -> "Found":
        """The findings with some settings changed."""
        settings = load(config_file=None, environ=self.environ | changes, dotenv=None)
        return Found(await preflight(settings))


class Found:
    """Findings by their checks."""

    def __init__(self, findings: list[Finding]) -> None:
        self.findings = {each.check: each for each in findings}
        assert len(self.findings) == len(findings), "two findings of one name"

    def state(self, check: str) -> State:
        return self.findings[check].state

    def detail(self, check: str) -> str:
        return self.findings[check].detail

    def failed(self) -> list[str]:
        return self._with(State.FAIL)

    def warned(self) -> list[str]:
        return self._with(State.WARN)

    def skipped(self) -> list[str]:
        return self._with(State.SKIPPED)

    def _with(self, state: State) -> list[str]:
        return [each.check for each in self.findings.values() if each.state is state]


@pytest.fixture
async def world(anvil: Anvil, node: Node, tmp_path: Path) -> AsyncIterator[World]:
    async with (
        simulator_running(feeds=3, api_key=API_KEY) as simulator,
        devnet_contract(anvil, simulator) as contract,
    ):
        yield World(
            anvil, node, simulator, environment(anvil.url, simulator, contract, tmp_path) | {"HERMES_API_KEY": API_KEY}
        )


def feed_check(world: World, number: int) -> str:
    return f"feed {world.simulator.feed_ids[number]}"


async def test_finds_everything_in_place_in_the_order_of_dependence(world: World) -> None:
    found = await world.checked()
    assert {each.state for each in found.findings.values()} == {State.OK}
    assert list(found.findings) == [
        "settings",
        "hermes",
        *(feed_check(world, number) for number in range(3)),
        f"rpc 127.0.0.1:{world.anvil.port}",
        "contract",
        "balance",
        "signer set",
        "update fee",
        "simulated push",
        "journal",
        "metrics port",
    ]
    assert "one feed takes about" in found.detail("simulated push")
    assert found.detail("update fee") == "1 wei for one feed"
    assert "enough for about" in found.detail("balance")


async def test_the_signer_set_is_held_against_a_price(world: World) -> None:
    signers = ",".join(world.simulator.signers)
    found = await world.checked(HERMES_SIGNERS=signers)
    assert found.detail("signer set") == "prices are signed as HERMES_SIGNERS says"
    found = await world.checked(HERMES_SIGNERS="0x" + "11" * 20)
    assert found.failed() == ["signer set"]
    assert "check HERMES_SIGNERS" in found.detail("signer set")


@pytest.mark.parametrize("named", [{}, {"HERMES_SIGNERS": "contract"}])
async def test_a_price_is_held_against_the_signers_whom_the_contract_names(world: World, named: dict[str, str]) -> None:
    found = await world.checked(**named)
    assert found.detail("signer set") == "prices are signed as the contract wants: by its set 0, of 1"
    await world.simulator.control({"action": "forge"})
    world.simulator.publish()
    found = await world.checked(**named)
    assert found.failed() == ["signer set", "simulated push"]
    assert "is not by a signer that the contract trusts" in found.detail("signer set")


async def test_sends_nothing(world: World) -> None:
    before = await world.node.request("eth_blockNumber")
    await world.checked()
    assert await world.node.request("eth_blockNumber") == before
    assert await world.node.request("txpool_status") == {"pending": "0x0", "queued": "0x0"}


async def test_a_price_that_is_on_chain_already_makes_pushes_look_no_cheaper(world: World) -> None:
    await world.simulator.control({"action": "freeze"})
    path = asking(LATEST, [world.simulator.feed_ids[0]])
    answer = await get(world.simulator.url, path, headers=f"Authorization: Bearer {API_KEY}\r\n")
    (blob,) = answer.json()["binary"]["data"]
    mined = await world.node.send(update_calldata(bytes.fromhex(blob)), to=world.environ["CONTRACT_ADDRESS"], value=1)
    assert mined.succeeded
    found = await world.checked(PRICE_FEED_IDS=world.simulator.feed_ids[0])
    assert "one feed takes about 95,000 gas" in found.detail("simulated push")


async def test_a_websocket_endpoint_will_do(world: World) -> None:
    assert (await world.checked(RPC_URL=world.anvil.ws_url)).failed() == []


@pytest.mark.parametrize("key", ["", "no-such-key-no-such-key"])
async def test_a_key_that_hermes_does_not_take_leaves_no_feeds_and_no_push_to_check(world: World, key: str) -> None:
    found = await world.checked(HERMES_API_KEY=key)
    assert found.failed() == ["hermes"]
    assert found.detail("hermes").endswith("the API key is missing or wrong (HTTP 401); set HERMES_API_KEY")
    assert found.skipped() == ["feeds", "signer set", *PUSH_CHECKS]


async def test_a_feed_that_hermes_does_not_know_hides_no_other(world: World) -> None:
    unknown = "ab" * 32
    found = await world.checked(PRICE_FEED_IDS=f"{unknown},{world.simulator.feed_ids[1]}")
    assert found.failed() == [f"feed {unknown}"]
    assert found.detail(f"feed {unknown}") == "unknown to Hermes; check the feed id"
    assert found.state("simulated push") is State.OK


async def test_each_feed_that_the_key_does_not_cover_is_named(world: World) -> None:
    await world.simulator.control({"action": "deny", "feeds": [BTC, SOL]})
    found = await world.checked()
    assert found.failed() == [feed_check(world, 0), feed_check(world, 2)]
    assert found.detail(feed_check(world, 0)) == "not covered by the API key"


async def test_no_push_is_tried_without_a_price(world: World) -> None:
    await world.simulator.control({"action": "deny", "feeds": [BTC, ETH, SOL]})
    found = await world.checked()
    assert found.state("hermes") is State.OK
    assert found.skipped() == ["signer set", *PUSH_CHECKS]


async def test_a_closed_market_is_a_warning(world: World) -> None:
    await world.simulator.control({"action": "shift", "seconds": -100_000, "feeds": [ETH]})
    world.simulator.publish()
    found = await world.checked()
    assert found.failed() == []
    assert found.warned() == [feed_check(world, 1)]
    assert "1 d 3 h old" in found.detail(feed_check(world, 1))


async def test_hermes_out_of_reach_is_named_by_host_and_port(world: World, unused_tcp_port: int) -> None:
    found = await world.checked(HERMES_URL=f"http://127.0.0.1:{unused_tcp_port}")
    assert found.failed() == ["hermes"]
    assert found.detail("hermes").startswith(f"127.0.0.1:{unused_tcp_port}: the connection failed")


async def test_without_an_rpc_endpoint_nothing_on_chain_is_checked(world: World, unused_tcp_port: int) -> None:
    found = await world.checked(RPC_URL=f"http://127.0.0.1:{unused_tcp_port}")
    assert found.failed() == [f"rpc 127.0.0.1:{unused_tcp_port}"]
    assert found.skipped() == ["contract", "balance", *PUSH_CHECKS]


async def test_an_endpoint_that_is_down_beside_a_good_one_is_a_warning(world: World, unused_tcp_port: int) -> None:
    found = await world.checked(RPC_URL=f"http://127.0.0.1:{unused_tcp_port},{world.anvil.url}")
    assert found.failed() == []
    assert found.warned() == [f"rpc 127.0.0.1:{unused_tcp_port}"]
    assert found.state("simulated push") is State.OK


async def test_an_endpoint_of_another_chain_is_a_failure(world: World, anvil_binary: Path) -> None:
    async with Anvil(anvil_binary, chain_id=4242) as elsewhere:
        found = await world.checked(RPC_URL=f"{world.anvil.url},{elsewhere.url}")
    assert found.failed() == [f"rpc 127.0.0.1:{elsewhere.port}"]
    assert "it serves chain 4242, and one before it 31337" in found.detail(f"rpc 127.0.0.1:{elsewhere.port}")
    assert found.state("simulated push") is State.OK


async def test_an_address_without_code_is_no_contract(world: World) -> None:
    found = await world.checked(CONTRACT_ADDRESS=STRANGER)
    assert found.failed() == ["contract"]
    assert f"there is no contract at {STRANGER}" in found.detail("contract")
    assert found.skipped() == list(PUSH_CHECKS)


@pytest.mark.parametrize("code", ["0x00", "0x5f5ffd"], ids=["answers nothing", "reverts"])
async def test_a_contract_of_another_kind_is_told_apart(world: World, code: str) -> None:
    await world.node.request("anvil_setCode", STRANGER, code)
    found = await world.checked(CONTRACT_ADDRESS=STRANGER)
    assert found.failed() == ["contract"]
    assert "does not answer as a Pyth contract does" in found.detail("contract")


async def test_an_empty_account_cannot_pay(world: World) -> None:
    found = await world.checked(PRIVATE_KEY=OTHER_KEY)
    assert found.failed() == ["balance"]
    assert f"{OTHER_ACCOUNT} holds nothing" in found.detail("balance")
    assert found.skipped() == ["simulated push"]


async def test_an_account_that_pays_for_a_few_pushes_only_is_a_warning(world: World) -> None:
    await world.node.request("anvil_setBalance", OTHER_ACCOUNT, hex(10**16))
    found = await world.checked(PRIVATE_KEY=OTHER_KEY)
    assert found.failed() == []
    assert found.warned() == ["balance"]
    assert "top it up soon" in found.detail("balance")


async def test_a_contract_that_trusts_other_signers_refuses_the_push(world: World) -> None:
    await world.simulator.control({"action": "forge"})
    world.simulator.publish()
    found = await world.checked()
    assert found.failed() == ["signer set", "simulated push"]
    assert "InvalidWormholeVaa" in found.detail("simulated push")
    assert "HERMES_URL and CONTRACT_ADDRESS" in found.detail("simulated push")


async def test_a_contract_that_trusts_another_emitter_refuses_the_push(world: World) -> None:
    async with simulator_running(feeds=3, emitter=Emitter(1, bytes(31) + b"\1")) as other:
        found = await world.checked(HERMES_URL=other.url)
    assert found.failed() == ["simulated push"]
    assert "InvalidUpdateDataSource" in found.detail("simulated push")


async def test_a_running_keeper_on_the_port_is_a_warning(world: World) -> None:
    async with Server(overview.routes(Watched(), EventMetrics()), host="127.0.0.1", port=0) as server:
        found = await world.checked(METRICS_PORT=str(server.port))
        assert found.failed() == []
        assert "a keeper is running" in found.detail("metrics port")


async def test_a_stranger_on_the_port_is_a_failure(world: World) -> None:
    async with listening(answer=True) as port:
        found = await world.checked(METRICS_PORT=str(port))
    assert found.failed() == ["metrics port"]
    assert "another METRICS_PORT" in found.detail("metrics port")


async def test_it_ends_in_time_when_everything_hangs(world: World) -> None:
    async with listening(answer=False) as port:
        hanging = f"http://127.0.0.1:{port}"
        rpc_urls = f"{hanging},ws://127.0.0.1:{port}"
        async with asyncio.timeout(PATIENCE_S):
            found = await world.checked(HERMES_URL=hanging, RPC_URL=rpc_urls, METRICS_PORT=str(port))
    assert found.failed() == ["hermes", f"rpc 127.0.0.1:{port}", f"rpc 127.0.0.1:{port}#2", "metrics port"]


async def test_a_finding_is_one_line_without_secrets_whatever_a_server_says(world: World) -> None:
    said = ErrorAnswer(-32000, f"bad key {KEY}\r\n\x1b[2Jok    balance")
    node = ScriptedNode(answers={"eth_getCode": said, "eth_getBlockByNumber": said})
    async with ServedNode(node) as served:
        found = await world.checked(RPC_URL=served.http_url)
    assert found.failed() == ["contract", "balance"]
    for finding in found.findings.values():
        assert finding.detail.isprintable()
        assert KEY not in finding.detail


@asynccontextmanager
async def listening(*, answer: bool) -> AsyncIterator[int]:
    """The port of a server that is no keeper, and may never answer at all."""
    released = asyncio.Event()

    async def handle(_request: web.BaseRequest) -> web.Response:
        if not answer:
            await released.wait()
        return web.json_response({"status": "ok"})

    runner = web.ServerRunner(web.Server(handle), shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield runner.addresses[0][1]
    finally:
        released.set()
        await runner.cleanup()
