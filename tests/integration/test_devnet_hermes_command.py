"""`keeper devnet hermes` as a process."""

import asyncio
import json
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from keeper.lab.hermes.signers import devnet_signer_keys
from tests.support.hermes import LATEST, STREAM, RawClient, asking, get, updates_of

TIMEOUT_S = 60.0


@asynccontextmanager
async def command(*arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """The command, ended at the latest when the test is done with it."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "keeper", "devnet", "hermes", *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        async with asyncio.timeout(TIMEOUT_S):
            yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def announced(process: asyncio.subprocess.Process) -> dict[str, Any]:
    assert process.stdout is not None
    told: dict[str, Any] = json.loads(await process.stdout.readline())
    return told


async def refusal(*arguments: str) -> str:
    """What a command that cannot start says, all on one line."""
    async with command(*arguments) as process:
        out, err = await process.communicate()
    assert (process.returncode, out) == (2, b"")
    (line,) = err.decode().splitlines()
    return line


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_announces_itself_serves_and_ends_well(number: signal.Signals) -> None:
    async with command("--feeds", "3", "--interval-ms", "20", "--signers-count", "5", "--quorum", "3") as process:
        told = await announced(process)
        assert list(told) == ["url", "feeds", "signers", "quorum"]
        assert (len(told["feeds"]), len(told["signers"]), told["quorum"]) == (3, 5, 3)
        async with RawClient.open(told["url"], asking(STREAM, told["feeds"])) as client:
            (update,) = updates_of(await client.event())
            assert set(update.signers().values()) <= set(told["signers"])
            process.send_signal(number)
            while await client.frame():
                pass
        out, err = await process.communicate()
    assert (process.returncode, out, err) == (0, b"", b"")


async def test_takes_every_option(tmp_path: Path) -> None:
    keys, ticks = tmp_path / "keys", tmp_path / "ticks.csv"
    keys.write_text("\n".join(key.hex() for key in devnet_signer_keys(2)))
    ticks.write_text("timestamp,bid,ask\n2020-01-01T00:00:00,1.5,1.5\n")
    options = (
        f"--host 127.0.0.1 --port 0 --feeds 4 --interval-ms 0 --seed 7 --volatility-ppm 0 --csv EUR/USD={ticks} "
        f"--speed 2 --once --signer-keys-file {keys} --quorum 1 --signer-set-index 3 --api-key k --keepalive-s 0.05 "
        "--max-connection-s 100 --rate-limit"
    )
    async with command(*options.split()) as process:
        told = await announced(process)
        headers = "Authorization: Bearer k\r\n"
        target = asking(LATEST, told["feeds"])
        assert (await get(told["url"], target)).status == 401
        answer = (await get(told["url"], target, headers=headers)).json()
        async with RawClient.open(told["url"], asking(STREAM, told["feeds"]), headers=headers) as client:
            assert await client.frame() == b":\n\n"
        for _ in range(8):
            last = await get(told["url"], target, headers=headers)
    (update,) = updates_of(answer)
    assert (update.signer_set, len(update.signatures)) == (3, 1)
    assert [price["price"] for price in update.prices()][::3] == [65_000 * 10**8, 150_000]
    assert last.status == 429


async def test_a_port_in_use_is_one_clear_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = await refusal("--port", str(port))
    assert f"127.0.0.1 port {port}" in line
    assert "in use" in line


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--feeds", "0"], "0 feeds: give 1 to 2000"),
        (["--csv", "BTC/USD"], "give FEED=PATH"),
        (["--csv", "BTC/USD=/nowhere.csv"], "/nowhere.csv"),
        (["--csv", "NO/ONE=/nowhere.csv"], "NO/ONE"),
        (["--signers-count", "3", "--quorum", "4"], "quorum of 4 out of 3"),
        (["--port", "70000"], "port 70000"),
        (["--speed", "nan"], "speed nan"),
    ],
)
async def test_bad_options_are_one_clear_line(arguments: list[str], complaint: str) -> None:
    assert complaint in await refusal(*arguments)
