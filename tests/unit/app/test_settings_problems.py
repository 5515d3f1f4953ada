"""Everything that is wrong with the settings is told at once, a line each, and never with a secret in it."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from keeper.app.control_settings import token_reader
from keeper.app.loading import load
from keeper.app.problems import SettingsError
from keeper.domain.errors import UsageError
from tests.support.settings import BTC, CONTRACT, ETH, PRIVATE_KEY, settings


def problems(
    environ: Mapping[str, str], *, without: str = "", dotenv: str | None = None, config: str | None = None, folder: Path
) -> list[str]:
    """The lines that are told, with the test's folder cut out."""
    dotenv_file, config_file = folder / ".env", folder / "keeper.yaml"
    if dotenv is not None:
        dotenv_file.write_text(dotenv)
    if config is not None:
        config_file.write_text(config)
    with pytest.raises(SettingsError) as raised:
        settings(environ, without=without, dotenv=dotenv_file, config_file=config_file if config is not None else None)
    assert all("\n" not in line for line in raised.value.lines)
    return [line.replace(f"{folder}/", "") for line in raised.value.lines]


def test_tells_all_that_is_missing() -> None:
    with pytest.raises(SettingsError) as raised:
        load(config_file=None, environ={}, dotenv=None)
    assert [line.partition(":")[0] for line in raised.value.lines] == [
        "PRIVATE_KEY is missing",
        "PRICE_FEED_IDS is missing",
        "RPC_URL is missing",
        "CONTRACT_ADDRESS is missing",
    ]


def test_is_bad_input_that_reads_as_one_line_for_each_problem() -> None:
    with pytest.raises(UsageError) as raised:
        settings({"DEBOUNCE_MS": "soon", "PRESET": "sped"})
    assert str(raised.value).splitlines() == [
        "2 problems with the settings:",
        "  PRESET in the environment: 'sped' is none of speed, cost, trading: did you mean speed?",
        "  DEBOUNCE_MS in the environment: 'soon' is not a whole number of milliseconds from 0 to 2592000000",
    ]


def test_tells_problems_of_all_places_together(tmp_path: Path) -> None:
    told = problems(
        {"METRICS_PORT": "65536"},
        dotenv="MAX_STALENESS=0\nPRICE_FEED_ID=x\n",
        config="debounce: 3\nretry_delay_ms: -1\n",
        folder=tmp_path,
    )
    assert told == [
        "PRICE_FEED_ID in .env is not known: did you mean PRICE_FEED_IDS?",
        "debounce in keeper.yaml is not known: did you mean debounce_ms?",
        "MAX_STALENESS in .env: '0' is not a whole number of seconds from 1 to 2592000",
        "retry_delay_ms in keeper.yaml: '-1' is not a whole number of milliseconds from 1 to 2592000000",
        "METRICS_PORT in the environment: '65536' is not a port from 0 to 65535",
    ]


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("DEBOUNCE_MS", "1_000", "whole number of milliseconds"),
        ("DEBOUNCE_MS", "1.5", "whole number of milliseconds"),
        ("DEBOUNCE_MS", "\u0661\u0660", "whole number of milliseconds"),
        ("DEBOUNCE_MODE", "trialing", "did you mean trailing?"),
        ("RETRY_ATTEMPTS", "-1", "whole number"),
        ("RETRY_DELAY_MS", "0", "from 1"),
        ("MIN_PRICE_CHANGE_PERCENT", "0", "more than 0"),
        ("MIN_PRICE_CHANGE_PERCENT", "-0.1", "not a number"),
        ("MIN_PRICE_CHANGE_PERCENT", "0.00001", "one part per million"),
        ("MIN_PRICE_CHANGE_PERCENT", "nan", "not a number"),
        ("LOG_LEVEL", "loud", "debug, info, warning, error"),
        ("LOG_FILE", "/no/such/folder/keeper.log", "folder does not exist"),
        ("ALLOW_PLAINTEXT", "maybe", "neither true nor false"),
        ("NETWORK_NAME", "My Chain", "lower-case letters"),
        ("CONTRACT_ADDRESS", CONTRACT[:-1], "41 characters"),
        ("CONTRACT_ADDRESS", CONTRACT.replace("A4c69C6", "A4c69c6"), "mistyped"),
        ("PRICE_FEED_IDS", BTC[:-1], "64 hex digits"),
        ("PRICE_FEED_IDS", f"{BTC},0x{BTC.upper()}", "2 times"),
        ("PRICE_FEED_IDS", ",", "names no feed"),
        ("PRICE_CONFIG_FILE", "/no/such/file.yaml", "No such file"),
        ("JOURNAL_PASSWORD_FILE", "/no/such/file", "No such file"),
        ("RPC_URL", "rpc.example.org", "does not start with https://"),
        ("RPC_URL", "https://", "no valid host"),
        ("RPC_URL", "https://rpc.example.org:port", "no valid host"),
        ("RPC_URL", "https://a.example.org,ftp://b.example.org", "address 2 does not start"),
        ("RPC_URL", "http://rpc.example.org", "set ALLOW_PLAINTEXT=true"),
        ("HERMES_URL", "wss://hermes.example.org", "does not start with https://"),
        ("HERMES_URL", "https://a.example.org,http://b.example.org", "address 2 talks to b.example.org unencrypted"),
        ("HERMES_MODE", "both", "is none of all, standby"),
        ("HERMES_API_KEY", "two words", "blanks"),
    ],
)
def test_tells_what_is_wrong_with_a_value(name: str, value: str, words: str) -> None:
    without = "PRICE_FEED_IDS" if name == "PRICE_CONFIG_FILE" else ""
    with pytest.raises(SettingsError) as raised:
        settings({name: value}, without=without)
    (line,) = raised.value.lines
    assert line.startswith(f"{name} in the environment: ")
    assert words in line


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("PRIVATE_KEY", "PRIVATE_KEY_FILE"),
        ("HERMES_API_KEY", "HERMES_API_KEY_FILE"),
        ("CONTROL_TOKEN", "CONTROL_TOKEN_FILE"),
    ],
)
def test_a_key_and_its_file_cannot_both_be_set(first: str, second: str, tmp_path: Path) -> None:
    key_file = tmp_path / "key"
    key_file.write_text(PRIVATE_KEY)
    told = problems({first: PRIVATE_KEY, second: str(key_file)}, folder=tmp_path)
    assert told == [f"{first} and {second} in the environment: only one of them can be set, remove the rest"]


@pytest.mark.parametrize(("token", "why"), [("hunter2", "too short"), ("correct horse battery", "holds blanks")])
def test_a_control_token_is_nothing_that_is_guessed_nor_garbled(token: str, why: str, tmp_path: Path) -> None:
    (line,) = problems({"CONTROL_TOKEN": token}, folder=tmp_path)
    assert line.startswith("CONTROL_TOKEN in the environment: ")
    assert why in line
    assert token not in line


def test_the_control_token_is_a_secret_and_its_file_is_read_anew(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("correct-horse-battery\n")
    loaded = settings({"CONTROL_TOKEN_FILE": str(file)})
    assert "correct-horse-battery" in loaded.secrets()
    read = token_reader(loaded.control_token, loaded.control_token_file)
    assert read is not None
    file.write_text("another-secret-that-is-long")
    assert read() == "another-secret-that-is-long"
    file.write_text("")
    with pytest.raises(UsageError, match="CONTROL_TOKEN_FILE names an empty file"):
        read()


def test_feeds_cannot_be_named_in_two_ways_at_once(tmp_path: Path) -> None:
    config = f"feeds: [{BTC}]\nprice_feed_ids: {ETH}\n"
    told = problems({}, without="PRICE_FEED_IDS", config=config, folder=tmp_path)
    assert told == ["price_feed_ids and feeds in keeper.yaml: only one of them can be set, remove the rest"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read: No such file or directory"),
        ("", "is empty"),
        ("hello", "not a private key"),
    ],
)
def test_tells_what_is_wrong_with_a_key_file(content: str | None, words: str, tmp_path: Path) -> None:
    key_file = tmp_path / "key"
    if content is not None:
        key_file.write_text(content)
    (line,) = problems({"PRIVATE_KEY_FILE": str(key_file)}, without="PRIVATE_KEY", folder=tmp_path)
    assert line.startswith("PRIVATE_KEY_FILE in the environment: ")
    assert words.replace("is empty", "an empty file") in line


def test_a_key_file_that_loses_its_key_is_told_when_it_is_used(tmp_path: Path) -> None:
    key_file = tmp_path / "key"
    key_file.write_text("key-of-today")
    loaded = settings({"HERMES_API_KEY_FILE": str(key_file)})
    key_file.unlink()
    with pytest.raises(UsageError, match="cannot be read"):
        loaded.hermes[0].key()


@pytest.mark.parametrize(
    ("feeds", "words"),
    [
        ("feeds: []", "names no feed"),
        ("feeds: all", "is not a list of feeds"),
        (f"feeds: [{BTC}, {BTC}]", f"lists the feed {BTC} 2 times"),
        (f"feeds: [{{id: {BTC}, alias: A}}, {{id: {ETH}, alias: A}}]", "calls 2 feeds A"),
        ("feeds: [{alias: A}]", "feed 1: id is missing"),
        ("feeds: [[x]]", "feed 1: id one value is wanted"),
        (
            f"feeds: [{{id: {BTC}, max_stalenes: 3}}]",
            "feed 1: max_stalenes is not known here: did you mean max_staleness?",
        ),
        (f"feeds: [{BTC}, {{id: {ETH}, max_staleness: 0}}]", "feed 2: max_staleness '0' is not a whole number"),
        (f"feeds: [{{id: {BTC}, early_update: }}]", "feed 1: early_update '' is none of cheaper"),
    ],
)
def test_tells_what_is_wrong_with_feeds_in_yaml(feeds: str, words: str, tmp_path: Path) -> None:
    (line,) = problems({}, without="PRICE_FEED_IDS", config=feeds, folder=tmp_path)
    assert line.startswith("feeds in keeper.yaml: ")
    assert words in line


@pytest.mark.parametrize(
    ("config", "line"),
    [
        (
            "- a\n",
            "keeper.yaml does not hold `name: value` lines: name a price_pusher file in PRICE_CONFIG_FILE instead",
        ),
        ("just text", "keeper.yaml does not hold `name: value` lines"),
        ("a: [1\n", "keeper.yaml line 2, column 1: this is not valid YAML"),
        ("debounce_ms: 1\ndebounce_ms: 2\n", "keeper.yaml line 1, column 1: debounce_ms is given twice"),
        ("debounce_ms: [1]\n", "debounce_ms in keeper.yaml: one value is wanted, not a list or a block"),
        ("rpc_urls: x\n", "rpc_urls in keeper.yaml is not known: did you mean rpc_url?"),
        ("colour: red\n", "colour in keeper.yaml is not known"),
    ],
)
def test_tells_what_is_wrong_with_a_yaml_file(config: str, line: str, tmp_path: Path) -> None:
    assert problems({}, config=config, folder=tmp_path) == [line]


def test_a_config_file_that_does_not_exist_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"none\.yaml cannot be read: No such file or directory"):
        settings(config_file=tmp_path / "none.yaml")


def test_a_dotenv_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(SettingsError, match="folder cannot be read: Is a directory"):
        settings(dotenv=tmp_path / "folder")
    (tmp_path / "utf16").write_text("DEBOUNCE_MS=1", encoding="utf-16")
    with pytest.raises(SettingsError, match="utf16 is not UTF-8 text"):
        settings(dotenv=tmp_path / "utf16")


def test_a_line_of_dotenv_that_is_no_setting_is_told(tmp_path: Path) -> None:
    assert problems({}, dotenv="DEBOUNCE_MS=1\nwhat is this\n", folder=tmp_path) == [".env, line 2: is no NAME=value"]


SECRET = "fedcba9876543210" * 4


@pytest.mark.parametrize(
    "environ",
    [
        {"PRIVATE_KEY": SECRET + "z"},
        {"PRIVATE_KEY": SECRET[1:]},
        {"PRIVATE_KEY_FILE": SECRET},
        {"HERMES_API_KEY": f"{SECRET} {SECRET}"},
        {"HERMES_API_KEY_FILE": SECRET},
        {"CONTRACT_ADDRESS": SECRET},
        {"RPC_URL": f"rpc.example.org/{SECRET}"},
        {"RPC_URL": f"http://rpc.example.org/{SECRET}"},
        {"RPC_URL": f"https://user:{SECRET}@rpc.example.org:x"},
        {"RPC_URL": f"https://rpc.example.org/{SECRET}", "PRICE_FEED_IDS": f"{SECRET},{SECRET}"},
        {"PRIVATE_KEY": SECRET, "PRICE_FEED_IDS": f"{SECRET},{SECRET}"},
        {"PRIVATE_KEY": f"0x{SECRET[1:]}", "LOG_LEVEL": SECRET[1:]},
    ],
)
def test_no_secret_is_ever_echoed(environ: dict[str, str]) -> None:
    without = "PRIVATE_KEY" if "PRIVATE_KEY_FILE" in environ else ""
    with pytest.raises(SettingsError) as raised:
        settings(environ, without=without)
    told = str(raised.value)
    assert SECRET[1:20] not in told.lower()


def test_a_secret_in_a_broken_yaml_file_is_not_echoed(tmp_path: Path) -> None:
    told = problems({}, config=f"private_key: *{SECRET}\n", folder=tmp_path)
    assert told == ["keeper.yaml line 1, column 14: this is not valid YAML"]
