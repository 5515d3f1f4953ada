"""Genuine mainnet updates, guardian sets and market data, where the machine has them."""

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import pytest

_REPOSITORY = Path(__file__).resolve().parents[2]


def fixtures_folder() -> Path:
    """The folder of fixtures; skips the calling test where there is none."""
    folder = Path(os.environ.get("KEEPER_FIXTURES", _REPOSITORY.parent / "shared" / "fixtures"))
    if not folder.is_dir():
        pytest.skip("no folder of genuine updates here; enable with: KEEPER_FIXTURES=FOLDER ./deploy.sh test")
    return folder


@cache
def _read(path: Path) -> Any:
    return json.loads(path.read_text())


def genuine_updates() -> list[dict[str, Any]]:
    """Mainnet updates with every field decoded, as an independent decoder read them."""
    updates: list[dict[str, Any]] = _read(fixtures_folder() / "hermes_mainnet_updates.json")["updates"]
    return updates


def guardian_sets() -> dict[str, dict[str, str]]:
    """Guardian set index -> signer index -> address."""
    sets: dict[str, dict[str, str]] = _read(fixtures_folder() / "guardian_sets.json")["guardian_sets"]
    return sets
