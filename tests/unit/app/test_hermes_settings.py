"""Several Hermes endpoints in the settings, and which key goes to which of them."""

from pathlib import Path

import pytest

from keeper.app.problems import SettingsError
from keeper.app.redaction import Redactor
from keeper.app.settings import Settings
from keeper.app.wiring import hermes_configs, signer_rule
from keeper.domain.signers import ByContract
from keeper.hermes import HermesMode
from tests.support.settings import settings

SECRET = "hermes-key-0123456789"


def yaml(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "keeper.yaml"
    path.write_text(text)
    return path


def keys(loaded: Settings) -> dict[str, str]:
    """What is sent to each URL."""
    return {config.url: config.api_key() for config in hermes_configs(loaded, Redactor())}


def test_several_urls_are_sent_the_key_that_stands_beside_them() -> None:
    loaded = settings({"HERMES_URL": "https://a.example/x/, https://b.example", "HERMES_API_KEY": SECRET})
    assert keys(loaded) == {"https://a.example/x": SECRET, "https://b.example": SECRET}
    assert [config.name for config in hermes_configs(loaded, Redactor())] == ["a.example", "b.example"]
    assert loaded.hermes_mode is HermesMode.ALL


def test_each_block_is_sent_its_own_key_or_none(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("from-a-file\n")
    text = f"""
hermes_mode: standby
hermes:
  - url: https://a.example
    api_key: {SECRET}
  - url: https://b.example/hermes
    name: second
    api_key_file: {file}
  - https://c.example
"""
    loaded = settings(config_file=yaml(tmp_path, text))
    assert keys(loaded) == {
        "https://a.example": SECRET,
        "https://b.example/hermes": "from-a-file",
        "https://c.example": "",
    }
    assert [config.name for config in hermes_configs(loaded, Redactor())] == ["a.example", "second", "c.example"]
    assert loaded.hermes_mode is HermesMode.STANDBY
    assert {SECRET, "from-a-file"} <= set(loaded.secrets())
    assert SECRET not in repr(loaded)
    file.write_text("changed")
    assert keys(loaded)["https://b.example/hermes"] == "changed"


def test_the_environments_url_puts_the_blocks_out_of_force_with_their_keys(tmp_path: Path) -> None:
    config = yaml(tmp_path, f"hermes:\n  - url: https://a.example\n    api_key: {SECRET}\n")
    assert keys(settings({"HERMES_URL": "https://b.example"}, config_file=config)) == {"https://b.example": ""}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("hermes: https://a.example", "is not a list of endpoints"),
        ("hermes: []", "names no endpoint"),
        ("hermes: [{name: a}]", "endpoint 1: url is missing"),
        ("hermes: [{url: 'wss://a.example'}]", "endpoint 1: url does not start with https://"),
        ("hermes: [{url: 'https://a.example'}, {url: 'http://b.example'}]", "endpoint 2: url talks to b.example"),
        ("hermes: [{url: 'https://a.example', apikey: x}]", "did you mean api_key?"),
        ("hermes: [{url: 'https://a.example', api_key: 'a b'}]", "endpoint 1: api_key is not an API key"),
        ("hermes: [{url: 'https://a.example', name: A B}]", "endpoint 1: name 'A B' is no name"),
        (
            "hermes: [{url: 'https://a.example', name: x}, {url: 'https://b.example', name: x}]",
            "calls two endpoints by one name",
        ),
        ("hermes: [{url: 'https://a.example', api_key: x, api_key_file: /dev/null}]", "names an empty file"),
        ("hermes: ['https://a.example']\nhermes_url: https://b.example", "only one of them can be set"),
        ("hermes: ['https://a.example']\nhermes_api_key: x", "write a key into the block"),
    ],
)
def test_mistakes_are_told(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(SettingsError) as raised:
        settings(config_file=yaml(tmp_path, text))
    assert words in str(raised.value)


def test_a_key_in_the_environment_is_not_given_to_blocks(tmp_path: Path) -> None:
    config = yaml(tmp_path, "hermes: ['https://a.example']")
    with pytest.raises(SettingsError, match="HERMES_API_KEY in the environment: is for HERMES_URL"):
        settings({"HERMES_API_KEY": SECRET}, config_file=config)


def test_no_key_is_echoed_from_blocks_that_are_wrong(tmp_path: Path) -> None:
    text = f"hermes: [{{url: 'https://u:{SECRET}@a.example:x', api_key: '{SECRET} {SECRET}', name: '{SECRET}_'}}]"
    with pytest.raises(SettingsError) as raised:
        settings(config_file=yaml(tmp_path, text))
    assert SECRET not in str(raised.value)


ALICE, BOB = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266", "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"


@pytest.mark.parametrize(
    ("named", "words"),
    [
        (f"{ALICE},{ALICE}", "names no signer, one twice"),
        ("0x" + "0" * 40, "names no signer"),
        ("0x12", "is not an address"),
    ],
)
def test_signers_that_make_no_sense_are_told(named: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        settings({"HERMES_SIGNERS": named})


def test_signers_are_read_in_the_order_of_their_indexes() -> None:
    loaded = settings({"HERMES_SIGNERS": f"{ALICE}, 0x{'0' * 40},{BOB}", "HERMES_SIGNERS_QUORUM": "2"}).networks[0]
    assert loaded.hermes_signers == (bytes.fromhex(ALICE[2:]), bytes(20), bytes.fromhex(BOB[2:]))
    assert loaded.hermes_signers_quorum == 2
    assert signer_rule(loaded) is not None
    assert signer_rule(settings().networks[0]) is None


def test_signers_may_be_those_whom_the_contract_names() -> None:
    environ = {"HERMES_SIGNERS": "Contract", "HERMES_SIGNERS_QUORUM": "3"}
    assert signer_rule(settings(environ).networks[0]) == ByContract(3)
    assert signer_rule(settings({"HERMES_SIGNERS": "contract"}).networks[0]) == ByContract(None)


def test_a_key_that_is_read_anew_is_kept_out_of_texts_from_then_on(tmp_path: Path) -> None:
    file, redactor = tmp_path / "key", Redactor()
    file.write_text(SECRET)
    (config,) = hermes_configs(settings({"HERMES_API_KEY_FILE": str(file)}), redactor)
    file.write_text("the-key-that-comes-next")
    assert config.headers()["Authorization"] == "Bearer the-key-that-comes-next"
    assert redactor.clean("refused: the-key-that-comes-next") == "refused: [redacted]"
