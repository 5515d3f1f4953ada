"""The documents and examples say what the settings are: all of them, with the defaults that hold."""

from pathlib import Path

import pytest
from dotenv import dotenv_values
from pydantic.fields import FieldInfo

from keeper.app.chains import CHAINS
from keeper.app.loading import load
from keeper.app.network_settings import NetworkSettings
from keeper.app.presets import PRESETS
from keeper.app.settings import NAMES, ONLY_IN_YAML, Settings
from keeper.domain.policy import Early
from tests.support.settings import ENOUGH, ETH, PRIVATE_KEY

REPOSITORY = Path(__file__).resolve().parents[3]
NETWORK = {field.alias or name: field for name, field in NetworkSettings.model_fields.items()}
PROCESS = {
    field.alias or name: field
    for name, field in Settings.model_fields.items()
    if name != "networks" and name not in NETWORK
}
FIELDS = NETWORK | PROCESS


def table_of(fields: dict[str, FieldInfo]) -> str:
    lines = ["| setting | default | meaning |", "|---|---|---|"]
    for name, field in fields.items():
        spelled = name if name in ONLY_IN_YAML else name.upper()
        default = f"`{field.default}`" if field.default and not field.is_required() else ""
        lines.append(f"| `{spelled}` | {default} | {field.description} |")
    return "\n".join([*lines, ""])


def networks_table() -> str:
    return table_of(NETWORK)


def process_table() -> str:
    return table_of(PROCESS)


def presets_table() -> str:
    names = sorted({name for values in PRESETS.values() for name in values})
    lines = [f"| preset | {' | '.join(f'`{name.upper()}`' for name in names)} |", "|---" * (len(names) + 1) + "|"]
    for preset, values in PRESETS.items():
        lines.append(f"| `{preset}` | {' | '.join(values.get(name, '') for name in names)} |")
    return "\n".join([*lines, ""])


def chains_table() -> str:
    lines = ["| `CHAIN_ID` | chain | `core` | `compatible` | block | fees | order |", "|---|---|---|---|---|---|---|"]
    for chain in CHAINS.values():
        other = f"`{chain.compatible}`" if chain.compatible else ""
        order = "by fee" if chain.outbids else "first come, first"
        block = "" if chain.block_time_s is None else f"{chain.block_time_s:g} s"
        place = f"| {chain.chain_id} | {chain.name} | `{chain.core}` | {other} |"
        lines.append(f"{place} {block} | {chain.fees or ''} | {order} |")
    return "\n".join([*lines, ""])


@pytest.mark.parametrize("table", [networks_table, process_table, presets_table, chains_table])
def test_the_document_holds_the_table_that_the_code_implies(table: object) -> None:
    assert callable(table)
    assert table() in (REPOSITORY / "docs" / "settings.md").read_text()


def uncommented(text: str) -> str:
    return "\n".join(
        line.removeprefix("#") if line.startswith("#") and "=" in line and line[1].isupper() else line
        for line in text.splitlines()
    )


@pytest.fixture
def every_line(tmp_path: Path) -> Path:
    """The example of a `.env` file with nothing commented out."""
    path = tmp_path / ".env"
    path.write_text(uncommented((REPOSITORY / ".env.example").read_text()))
    return path


def test_the_env_example_names_every_setting_with_its_default(every_line: Path) -> None:
    given = dotenv_values(every_line)
    assert given.keys() == {name.upper() for name in NAMES - ONLY_IN_YAML}
    defaults = {name.upper(): field.default for name, field in FIELDS.items() if isinstance(field.default, str)}
    assert {name: given[name] for name in defaults} == defaults


def test_the_env_example_loads_once_the_required_lines_are_filled_in(every_line: Path) -> None:
    required = {name: ENOUGH[name] for name in ("PRIVATE_KEY", "RPC_URL", "CONTRACT_ADDRESS")}
    settings = load(config_file=None, environ=required, dotenv=every_line)
    assert settings == load(
        config_file=None,
        environ=required | {"PRICE_FEED_IDS": dotenv_values(every_line)["PRICE_FEED_IDS"] or ""},
        dotenv=None,
    )


def test_the_yaml_example_loads(tmp_path: Path) -> None:
    for name in ("ethereum-key", "base-key", "hermes-api-key"):
        (tmp_path / name).write_text(PRIVATE_KEY)
    example = (REPOSITORY / "config" / "keeper.example.yaml").read_text()
    (tmp_path / "keeper.yaml").write_text(example.replace("/run/secrets", str(tmp_path)))
    settings = load(config_file=tmp_path / "keeper.yaml", environ={}, dotenv=None)
    ethereum, base = settings.networks
    assert (ethereum.network_name, ethereum.chain_id) == ("ethereum", 1)
    assert [feed.alias for feed in ethereum.feeds] == ["BTC/USD", "ETH/USD"]
    assert [feed.alias for feed in base.feeds] == ["USDC/USD", "BTC/USD", "ETH/USD"]
    assert (ethereum.max_staleness, base.max_staleness) == (60, 30)


def test_the_price_config_example_loads() -> None:
    example = str(REPOSITORY / "config" / "price-config.example.yaml")
    environ = {name: value for name, value in ENOUGH.items() if name != "PRICE_FEED_IDS"}
    settings = load(config_file=None, environ=environ | {"PRICE_CONFIG_FILE": example}, dotenv=None)
    btc, eth = settings.networks[0].feeds
    assert btc.policy.early is Early.ALWAYS
    assert (eth.feed_id, eth.policy.early) == (ETH, Early.RULES)
