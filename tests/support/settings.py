"""Settings that are just enough, to be changed where a test wants them otherwise."""

from collections.abc import Mapping
from pathlib import Path

from keeper.app.loading import load
from keeper.app.network_settings import NetworkSettings
from keeper.app.settings import Settings

PRIVATE_KEY = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
"""The first key of every development node."""
CONTRACT = "0x4305FB66699C3B2702D4d05CF36551390A4c69C6"
BTC = "e62df6c8b4a85fe1a67db44dc12de5db330f7ac66b72dc658afedf0f4a415b43"
ETH = "ff61491a931112ddf1bd8147cd1b641375f79f5825126d665480874634fd0ace"

ENOUGH = {
    "PRIVATE_KEY": PRIVATE_KEY,
    "RPC_URL": "https://rpc.example.org",
    "CONTRACT_ADDRESS": CONTRACT,
    "PRICE_FEED_IDS": BTC,
}


def settings(
    environ: Mapping[str, str] | None = None,
    *,
    without: str = "",
    dotenv: Path | None = None,
    config_file: Path | None = None,
) -> Settings:
    """What is loaded from the environment that is just enough, changed by `environ`, and from the files."""
    full = {name: value for name, value in (ENOUGH | dict(environ or {})).items() if name != without}
    return load(config_file=config_file, environ=full, dotenv=dotenv)


def network(
    environ: Mapping[str, str] | None = None,
    *,
    without: str = "",
    dotenv: Path | None = None,
    config_file: Path | None = None,
) -> NetworkSettings:
    """The only network of the same."""
    (only,) = settings(environ, without=without, dotenv=dotenv, config_file=config_file).networks
    return only
