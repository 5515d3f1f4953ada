"""`keeper check` as an operator runs it: its output and its exit codes."""

import asyncio
import json
import os
import pty
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from keeper.lab.anvil import Anvil
from tests.support.keeper_process import KEEPER, devnet_contract, environment, simulator_running

API_KEY = "open-sesame-open-sesame"
PIPE = asyncio.subprocess.PIPE


@pytest.fixture
async def environ(anvil: Anvil, tmp_path: Path) -> AsyncIterator[dict[str, str]]:
    """Of a keeper that has all it needs."""
    async with (
        simulator_running(feeds=2, api_key=API_KEY) as simulator,
        devnet_contract(anvil, simulator) as contract,
    ):
        yield environment(anvil.url, simulator, contract, tmp_path) | {"HERMES_API_KEY": API_KEY}


async def keeper_check(environ: Mapping[str, str], *arguments: str) -> tuple[int | None, str, str]:
    """Exit code, standard output and standard error."""
    process = await asyncio.create_subprocess_exec(
        KEEPER, "check", *arguments, env=environ, cwd=environ["HOME"], stdout=PIPE, stderr=PIPE
    )
    output, errors = await process.communicate()
    return process.returncode, output.decode(), errors.decode()


async def test_prints_a_line_for_each_check_and_exits_0_when_all_is_well(environ: dict[str, str]) -> None:
    code, output, errors = await keeper_check(environ)
    *lines, summary = output.splitlines()
    assert (code, errors) == (0, "")
    assert all(line.startswith("ok   ") for line in lines)
    assert summary == f"{len(lines)} ok"
    assert "\x1b" not in output


async def test_exits_1_when_something_failed(environ: dict[str, str]) -> None:
    code, output, errors = await keeper_check(environ | {"HERMES_API_KEY": "not-the-key-not-the-key"})
    assert (code, errors) == (1, "")
    assert "\nFAIL hermes " in output
    assert "\nskip feeds " in output
    assert "not-the-key" not in output
    assert output.endswith("\n6 ok, 1 FAIL, 4 skip\n")


async def test_prints_json_where_it_is_asked_for(environ: dict[str, str]) -> None:
    code, output, errors = await keeper_check(environ | {"HERMES_API_KEY": ""}, "--json")
    findings = json.loads(output)
    assert (code, errors) == (1, "")
    assert all(set(finding) == {"check", "state", "detail"} for finding in findings)
    states = {finding["check"]: finding["state"] for finding in findings}
    assert (states["settings"], states["hermes"], states["feeds"]) == ("ok", "fail", "skipped")


async def test_lists_wrong_settings_and_exits_2(environ: dict[str, str]) -> None:
    code, output, errors = await keeper_check(environ | {"CONTRACT_ADDRESS": "0x12", "DEBOUNCE_MS": "soon"})
    assert (code, output) == (2, "")
    assert "CONTRACT_ADDRESS" in errors
    assert "DEBOUNCE_MS" in errors
    assert "Traceback" not in errors


async def test_reads_a_config_file(environ: dict[str, str], tmp_path: Path) -> None:
    config = tmp_path / "keeper.yaml"
    config.write_text(f"contract_address: '{environ.pop('CONTRACT_ADDRESS')}'\n")
    code, _, errors = await keeper_check(environ, "--config", str(config))
    assert (code, errors) == (0, "")


async def test_has_colours_on_a_terminal_and_does_not_break_lines(environ: dict[str, str]) -> None:
    ours, theirs = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        KEEPER, "check", env=environ | {"TERM": "xterm", "COLUMNS": "60"}, cwd=environ["HOME"], stdout=theirs
    )
    shown = asyncio.create_task(asyncio.to_thread(_read_all, ours))
    await process.wait()
    os.close(theirs)
    lines = (await shown).decode().splitlines()
    os.close(ours)
    assert process.returncode == 0
    assert len(lines) == 13
    assert all(line.startswith("\x1b[32mok   \x1b[0m") for line in lines[:-1])


def _read_all(descriptor: int) -> bytes:
    """Until the other side closes, which Linux tells by an error."""
    output = b""
    try:
        while chunk := os.read(descriptor, 65_536):
            output += chunk
    except OSError:
        pass
    return output


OTHER_KEY = "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"
"""Of the second account of every development node."""


async def test_checks_every_network_or_the_one_that_is_named(environ: dict[str, str], tmp_path: Path) -> None:
    config = tmp_path / "keeper.yaml"
    well = {"name": "well", "chain_id": "31337", "rpc_url": environ.pop("RPC_URL")}
    ill = well | {"name": "ill", "chain_id": "5", "private_key": OTHER_KEY}
    same = well | {"name": "same"}
    del same["chain_id"]
    config.write_text(json.dumps({"networks": [well, ill, same]}))

    code, output, errors = await keeper_check(environ, "--config", str(config), "--all")
    assert (code, errors) == (1, "")
    failed = sorted(line.split("  ")[0] for line in output.splitlines() if line.startswith("FAIL"))
    assert failed in (["FAIL ill chain id", "FAIL same chain id"], ["FAIL ill chain id", "FAIL well chain id"])
    assert "and CHAIN_ID says 5: set the one that is right" in output
    assert "would take each other's nonces: give each a key of its own" in output

    code, output, _ = await keeper_check(environ, "--config", str(config), "--network", "well")
    assert code == 0
    assert "ok   well chain id            31337, as CHAIN_ID says" in output
    code, _, errors = await keeper_check(environ, "--config", str(config), "--network", "wel")
    assert (code, errors) == (2, "keeper: no network is called 'wel': there is well, ill, same: did you mean well?\n")
