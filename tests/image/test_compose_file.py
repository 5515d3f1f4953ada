"""docker-compose.yml as compose itself reads it; no engine is needed."""

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from keeper.app.loading import load
from tests.support.compose import DEVNET, HOW_TO_INSTALL, REPOSITORY, compose, is_installed

KEY = "11" * 32
REQUIRED = {"RPC_URL": "http://127.0.0.1:8545", "PRIVATE_KEY_FILE": "secrets/private_key", "GRAFANA_PASSWORD": "graf"}
EVERYWHERE = {"keeper", "postgres", "prometheus", "alertmanager", "grafana"}
ONE_SHOT = {"contract"}


@pytest.fixture(autouse=True)
def _compose() -> None:
    if not is_installed():
        pytest.skip(HOW_TO_INSTALL)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The file in a folder of its own, without a .env file."""
    shutil.copy(REPOSITORY / "docker-compose.yml", tmp_path)
    shutil.copytree(REPOSITORY / DEVNET.parent, tmp_path / DEVNET.parent)
    return tmp_path


def dotenv(project: Path, values: Mapping[str, str]) -> None:
    (project / ".env").write_text("".join(f"{name}={value}\n" for name, value in values.items()))


def rendered(project: Path, *options: str) -> dict[str, Any]:
    """What compose makes of it."""
    done = compose(*options, "config", "--format=json", environ={}, folder=project)
    assert (done.returncode, done.stderr) == (0, "")
    read: dict[str, Any] = json.loads(done.stdout)
    return read


def services(project: Path) -> dict[str, dict[str, Any]]:
    """All of them, those of the devnet too."""
    found: dict[str, dict[str, Any]] = rendered(project, f"--env-file={DEVNET}")["services"]
    return found


def test_needs_three_variables_and_starts_no_devnet_unless_asked(project: Path) -> None:
    dotenv(project, REQUIRED)
    assert set(rendered(project)["services"]) == EVERYWHERE


def test_the_devnet_needs_nothing(project: Path) -> None:
    assert set(services(project)) == EVERYWHERE | {"anvil", "contract", "hermes"}


@pytest.mark.parametrize("name", REQUIRED)
def test_says_which_variable_is_missing_and_what_it_is(project: Path, name: str) -> None:
    dotenv(project, {other: value for other, value in REQUIRED.items() if other != name})
    done = compose("config", "--quiet", environ={}, folder=project)
    assert done.returncode != 0
    assert f"required variable {name} is missing a value: set {name} in .env to " in done.stderr


def test_what_compose_does_not_know_is_refused(project: Path) -> None:
    dotenv(project, REQUIRED)
    file = project / "docker-compose.yml"
    file.write_text(file.read_text().replace("stop_grace_period:", "stop_grace_time:"))
    assert compose("config", "--quiet", environ={}, folder=project).returncode != 0


def test_a_key_in_dotenv_does_not_reach_the_container(project: Path) -> None:
    dotenv(project, REQUIRED | {"PRIVATE_KEY": KEY, "DEBOUNCE_MS": "400"})
    keeper = rendered(project)["services"]["keeper"]
    assert keeper["environment"]["PRIVATE_KEY_FILE"] == "/run/secrets/private_key"
    assert keeper["environment"]["DEBOUNCE_MS"] == "400"
    assert KEY not in json.dumps(keeper)


def test_a_file_with_the_hermes_key_is_passed_on_only_where_there_is_one(project: Path) -> None:
    dotenv(project, REQUIRED)
    assert rendered(project)["services"]["keeper"]["environment"]["HERMES_API_KEY_FILE"] == ""
    dotenv(project, REQUIRED | {"HERMES_API_KEY_FILE": "secrets/hermes"})
    config = rendered(project)
    assert config["services"]["keeper"]["environment"]["HERMES_API_KEY_FILE"] == "/run/secrets/hermes_api_key"
    assert config["secrets"]["hermes_api_key"]["file"] == str(project / "secrets/hermes")


def test_every_container_is_confined_and_starts_again(project: Path) -> None:
    for name, service in services(project).items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["restart"] == ("no" if name in ONE_SHOT else "unless-stopped"), name
        assert "privileged" not in service, name
        assert name in ONE_SHOT or "test" in service["healthcheck"], name


def test_ports_are_open_to_this_machine_alone(project: Path) -> None:
    ports = [port for service in services(project).values() for port in service.get("ports", [])]
    assert {port["host_ip"] for port in ports} == {"127.0.0.1"}
    assert {port["published"] for port in ports} == {"9090", "9091", "9093", "3001", "8090"}


def test_only_the_keeper_reaches_the_database(project: Path) -> None:
    config = rendered(project, f"--env-file={DEVNET}")
    reached = {name for name, service in config["services"].items() if "database" in service["networks"]}
    assert reached == {"keeper", "postgres"}
    assert set(config["services"]["postgres"]["networks"]) == {"database"}
    assert config["networks"]["database"]["internal"] is True


def test_images_of_others_are_pinned(project: Path) -> None:
    images = {service["image"] for service in services(project).values()}
    tags = {image.rpartition(":")[2] for image in images if not image.startswith("pyth-keeper:")}
    assert len(tags) == len(images) - 1
    assert all(tag.lstrip("v")[0].isdigit() and tag.count(".") >= 2 for tag in tags)


def test_the_settings_of_the_devnet_are_settings_of_the_keeper(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    (network,) = load(config_file=None, environ={}, dotenv=DEVNET).networks
    assert network.network_name == "devnet"


def test_the_document_names_every_variable_and_none_is_a_mistake_to_the_keeper(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = set(re.findall(r"\$\{([A-Z_]+)", (project / "docker-compose.yml").read_text()))
    document = (REPOSITORY / "docs" / "staging.md").read_text()
    assert {name for name in names if f"`{name}`" not in document} == set()
    monkeypatch.chdir(project)
    known = dict(line.split("=", 1) for line in DEVNET.read_text().splitlines() if line[:1].isupper())
    others = dict.fromkeys(sorted(names - known.keys() - {"HERMES_API_KEY_FILE"}), "value")
    dotenv(project, known | others)
    assert load(config_file=None, environ={}, dotenv=project / ".env").networks
