"""Anvil comes from wherever it can be had, runs while it is wanted, and says why when it cannot."""

import os
import shutil
import signal
import sys
from pathlib import Path

import pytest

from keeper.domain.errors import Fatal
from keeper.lab.anvil import DEV_ADDRESS, DEV_PRIVATE_KEY, Anvil
from keeper.lab.anvil_install import ensure_anvil
from keeper.signing.raw_key import RawKeySigner
from tests.support.node import Node
from tests.support.waiting import wait_until

NPM, NODE = shutil.which("npm"), shutil.which("node")
DEAF = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('Listening on 127.0.0.1:1', flush=True)"
)


@pytest.fixture
def tools(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The one folder on PATH, empty, on a machine with nothing in its cache."""
    folder = tmp_path / "tools"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return folder


def provide(folder: Path, name: str, script: str = "") -> Path:
    """A program with this Python script."""
    program = folder / name
    program.write_text(f"#!{sys.executable}\n{script}\n")
    program.chmod(0o755)
    return program


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def hear_nothing(_line: str) -> None:
    pass


async def test_runs_a_chain_and_ends_it(anvil_binary: Path) -> None:
    async with Anvil(anvil_binary, chain_id=1234, accounts=2) as anvil, Node(anvil.url) as node:
        assert await node.request("eth_chainId") == hex(1234)
        assert len(await node.request("eth_accounts")) == 2
        assert anvil.ws_url == anvil.url.replace("http", "ws")
    assert anvil.process.returncode is not None


async def test_funds_the_dev_account(node: Node) -> None:
    assert RawKeySigner(DEV_PRIVATE_KEY).address == DEV_ADDRESS
    assert int(await node.request("eth_getBalance", DEV_ADDRESS, "latest"), 16) > 10**21


async def test_mines_at_intervals_when_it_has_a_block_time(anvil_binary: Path) -> None:
    async with Anvil(anvil_binary, block_time_s=0.05) as anvil, Node(anvil.url) as node:

        async def mined_by_itself() -> bool:
            return int(await node.request("eth_blockNumber"), 16) >= 3

        await wait_until(mined_by_itself)


async def test_says_that_its_port_is_taken(anvil: Anvil, anvil_binary: Path) -> None:
    with pytest.raises(Fatal, match=r"Anvil did not start.*Address already in use"):
        async with Anvil(anvil_binary, port=anvil.port):
            pass


async def test_says_that_the_binary_is_not_for_this_machine(tmp_path: Path) -> None:
    binary = tmp_path / "anvil"
    binary.touch(mode=0o755)
    with pytest.raises(Fatal, match=r"cannot run .*anvil"):
        async with Anvil(binary):
            pass


async def test_ends_quietly_after_the_node_died(anvil_binary: Path) -> None:
    async with Anvil(anvil_binary) as anvil:
        os.kill(anvil.process.pid, signal.SIGKILL)
        await wait_until(lambda: anvil.process.returncode is not None)


async def test_kills_a_node_that_does_not_end_when_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keeper.lab.anvil._STOP_DEADLINE_S", 0.1)
    async with Anvil(provide(tmp_path, "anvil", f"{DEAF}; time.sleep(60)")) as anvil:
        pass
    assert anvil.process.returncode == -signal.SIGKILL


async def test_takes_the_anvil_on_path(tools: Path) -> None:
    own = provide(tools, "anvil")
    assert await ensure_anvil(announce=hear_nothing) == own


@pytest.mark.skipif(NPM is None or NODE is None, reason="no npm here; enable with: apt-get install npm")
async def test_downloads_anvil_once_with_the_npm_on_path(tools: Path) -> None:
    (tools / "npm").symlink_to(str(NPM))
    (tools / "node").symlink_to(str(NODE))
    told: list[str] = []
    binary = await ensure_anvil(announce=told.append)
    async with Anvil(binary), Anvil(binary):
        assert told[0] == "downloading Anvil 1.7.1 (15 MB)"
    (tools / "npm").unlink()
    assert await ensure_anvil(announce=pytest.fail) == binary


@pytest.mark.usefixtures("tools")
async def test_downloads_anvil_with_pip_alone() -> None:
    told: list[str] = []
    async with Anvil(await ensure_anvil(announce=told.append)):
        assert told[0] == "downloading Node.js for its npm (60 MB)"


async def test_says_that_npm_brought_nothing(tools: Path) -> None:
    provide(tools, "node")
    provide(tools, "npm", "print('npm http fetch attempt 1 failed')")
    with pytest.raises(Fatal, match=r"npm brought no @foundry-rs/anvil.*install Foundry.*fetch attempt 1 failed"):
        await ensure_anvil(announce=hear_nothing)


async def test_says_that_npm_failed_and_tries_again_the_next_time(tools: Path, tmp_path: Path) -> None:
    provide(tools, "node")
    provide(tools, "npm", "raise SystemExit('npm error code ENOTFOUND')")
    for _ in range(2):
        with pytest.raises(Fatal, match=r"failed; install Foundry.*ENOTFOUND"):
            await ensure_anvil(announce=hear_nothing)
    assert names_in(tmp_path / "cache" / "pyth-keeper") == []
