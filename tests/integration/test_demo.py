"""The devnet in one command: it says where everything is, and that is where it is."""

import asyncio
import json
import os
import re
import signal
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest

from tests.support.keeper_process import KEEPER

pytestmark = pytest.mark.integration

PATIENCE_S = 60.0


async def said(process: asyncio.subprocess.Process, pattern: str) -> str:
    """What the group of the pattern stands for in the first line with it on stderr."""
    assert process.stderr is not None
    async for line in process.stderr:
        if found := re.search(pattern, line.decode()):
            return found[1]
    raise AssertionError(f"it has ended without a line like {pattern}")


async def first_push(process: asyncio.subprocess.Process) -> None:
    assert process.stdout is not None
    async for line in process.stdout:
        if json.loads(line)["message"] == "push_confirmed":
            return
    raise AssertionError("it has ended without a push")


@pytest.mark.usefixtures("anvil_binary")
async def test_its_pushes_are_shown_by_the_command_that_it_names(tmp_path: Path) -> None:
    environ = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], "METRICS_PORT": "0"}
    async with asyncio.timeout(PATIENCE_S):
        demo = await asyncio.create_subprocess_exec(KEEPER, "demo", env=environ, cwd=tmp_path, stdout=PIPE, stderr=PIPE)
        try:
            config = await said(demo, r"keeper journal list --config (\S+)")
            await first_push(demo)
            listing = await asyncio.create_subprocess_exec(
                KEEPER,
                "journal",
                "list",
                "--config",
                config,
                "--format",
                "json",
                env=environ,
                cwd=tmp_path,
                stdout=PIPE,
            )
            told, _ = await listing.communicate()
        finally:
            demo.send_signal(signal.SIGINT)
            await demo.communicate()
    assert demo.returncode == 0
    pushes = [json.loads(line) for line in told.splitlines()]
    assert pushes[-1]["outcome"] == "confirmed"
    assert pushes[-1]["feeds"][0]["alias"] == "BTC/USD"
