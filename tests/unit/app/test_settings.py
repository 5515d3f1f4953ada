"""Settings: which place wins, what presets set, and which rules feeds get."""

from pathlib import Path

import pytest

from keeper.app.feeds import Feed
from keeper.app.loading import load_journal
from keeper.app.settings import LogFormat, LogLevel
from keeper.domain.policy import Confidence, Deviation, Early, Staleness
from keeper.domain.units import Ppm
from keeper.journal.address import PostgresServer, SqliteFile, Sync
from keeper.pipeline.debounce import DebounceMode
from keeper.pipeline.journaling import OnFailure
from tests.support.settings import BTC, CONTRACT, ETH, PRIVATE_KEY, network, settings

OTHER_KEY = "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"


@pytest.fixture
def dotenv(tmp_path: Path) -> Path:
    return tmp_path / ".env"


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    return tmp_path / "keeper.yaml"


def test_defaults_are_those_that_are_promised() -> None:
    loaded = settings()
    (only,) = loaded.networks
    assert only.debounce_ms == 1000
    assert only.debounce_mode is DebounceMode.LEADING
    assert only.min_price_change_percent == 100
    assert only.max_staleness == 30
    assert only.force_update_interval_ms == 300_000
    assert (only.retry_attempts, only.retry_delay_ms) == (3, 5000)
    assert (loaded.log_level, loaded.log_format) == (LogLevel.INFO, LogFormat.AUTO)
    assert (loaded.metrics_host, loaded.metrics_port) == ("127.0.0.1", 9090)
    (hermes,) = loaded.hermes
    assert hermes.endpoint.url.get_secret_value() == "https://hermes.pyth.network"
    assert hermes.key() == ""
    assert only.monitoring_interval_ms == 300_000
    assert loaded.hermes_poll_per_10s == 5


def test_what_is_required_is_read() -> None:
    loaded = network({"RPC_URL": "https://a.example.org/v2/key, wss://b.example.org:8546"})
    assert loaded.private_key.get_secret_value() == PRIVATE_KEY
    assert loaded.contract_address == CONTRACT
    assert [endpoint.name for endpoint in loaded.rpc_url] == ["a.example.org", "b.example.org:8546"]
    assert [endpoint.url.get_secret_value() for endpoint in loaded.rpc_url] == [
        "https://a.example.org/v2/key",
        "wss://b.example.org:8546",
    ]
    assert [(feed.feed_id, feed.alias) for feed in loaded.feeds] == [(BTC, BTC)]


def test_the_environment_wins_over_dotenv_and_dotenv_over_yaml(dotenv: Path, config_file: Path) -> None:
    config_file.write_text("debounce_ms: 1\nretry_attempts: 1\nmax_staleness: 1\n")
    dotenv.write_text("DEBOUNCE_MS=2\nRETRY_ATTEMPTS=2\n")
    loaded = network({"DEBOUNCE_MS": "3"}, dotenv=dotenv, config_file=config_file)
    assert (loaded.debounce_ms, loaded.retry_attempts, loaded.max_staleness) == (3, 2, 1)


def test_an_empty_value_is_not_set(dotenv: Path) -> None:
    dotenv.write_text("MAX_STALENESS=7\nHERMES_API_KEY=\n")
    loaded = settings({"MAX_STALENESS": " "}, dotenv=dotenv)
    assert loaded.networks[0].max_staleness == 7
    assert loaded.hermes_api_key is None


def test_a_dotenv_file_need_not_exist(dotenv: Path) -> None:
    assert settings(dotenv=dotenv) == settings()


def test_variables_of_others_are_ignored(dotenv: Path) -> None:
    dotenv.write_text("GRAFANA_PASSWORD=x\n")
    assert settings({"HOME": "/root", "EDITOR": "vi"}, dotenv=dotenv) == settings()


def test_a_dollar_sign_in_dotenv_is_only_a_dollar_sign(dotenv: Path) -> None:
    dotenv.write_text("HERMES_API_KEY=a${HOME}b\n")
    assert settings(dotenv=dotenv).hermes[0].key() == "a${HOME}b"


def test_yaml_lists_and_plain_values_both_name_rpc_nodes(config_file: Path) -> None:
    config_file.write_text("rpc_url:\n  - https://a.example.org\n  - https://b.example.org\n")
    assert [node.name for node in network(without="RPC_URL", config_file=config_file).rpc_url] == [
        "a.example.org",
        "b.example.org",
    ]


def test_yaml_names_may_be_written_in_capitals(config_file: Path) -> None:
    config_file.write_text("DEBOUNCE_MS: 250\n")
    assert network(config_file=config_file).debounce_ms == 250


@pytest.mark.parametrize(
    ("preset", "debounce_ms", "change", "force_ms"),
    [("speed", 400, 10, 300_000), ("cost", 5000, 500, 600_000), ("trading", 1000, 100, 300_000)],
)
def test_presets_set_what_is_not_set_otherwise(preset: str, debounce_ms: int, change: int, force_ms: int) -> None:
    loaded = network({"PRESET": preset})
    assert loaded.debounce_ms == debounce_ms
    assert loaded.min_price_change_percent == change
    assert loaded.force_update_interval_ms == force_ms


def test_what_is_set_explicitly_wins_over_a_preset_of_a_stronger_place(config_file: Path) -> None:
    config_file.write_text("debounce_ms: 77\n")
    loaded = network({"PRESET": "COST"}, config_file=config_file)
    assert (loaded.debounce_ms, loaded.min_price_change_percent) == (77, 500)


def test_a_key_may_come_from_a_file(tmp_path: Path) -> None:
    key_file = tmp_path / "key"
    key_file.write_text(f"0x{OTHER_KEY.upper()}\n")
    loaded = network({"PRIVATE_KEY_FILE": str(key_file)}, without="PRIVATE_KEY")
    assert loaded.private_key.get_secret_value() == OTHER_KEY


def test_a_key_file_of_the_environment_wins_over_a_key_in_dotenv(tmp_path: Path, dotenv: Path) -> None:
    key_file = tmp_path / "key"
    key_file.write_text(OTHER_KEY)
    dotenv.write_text(f"PRIVATE_KEY={PRIVATE_KEY}\n")
    loaded = network({"PRIVATE_KEY_FILE": str(key_file)}, without="PRIVATE_KEY", dotenv=dotenv)
    assert loaded.private_key.get_secret_value() == OTHER_KEY


def test_an_api_key_file_is_read_anew(tmp_path: Path) -> None:
    key_file = tmp_path / "key"
    key_file.write_text("first-key\n")
    loaded = settings({"HERMES_API_KEY_FILE": str(key_file)})
    assert loaded.hermes[0].key() == "first-key"
    key_file.write_text("second-key\n")
    assert loaded.hermes[0].key() == "second-key"


def test_our_own_feeds_are_judged_by_deviation_and_staleness() -> None:
    policy = network({"MIN_PRICE_CHANGE_PERCENT": "0.5", "MAX_STALENESS": "60"}).feeds[0].policy
    assert policy.rules == (Deviation(Ppm(5000)), Staleness(60))
    assert policy.early is Early.CHEAPER
    assert policy.max_source_age_s == 60
    assert policy.max_confidence is None


def test_confidence_triggers_and_vetoes_when_asked_to() -> None:
    environ = {"CONFIDENCE_TRIGGER_PERCENT": "1", "CONFIDENCE_VETO_PERCENT": "5", "EARLY_UPDATE": "never"}
    policy = network(environ).feeds[0].policy
    assert policy.rules[-1] == Confidence(Ppm(10_000))
    assert policy.max_confidence == 50_000
    assert policy.early is Early.NEVER


def test_feeds_in_yaml_have_aliases_and_thresholds_of_their_own(config_file: Path) -> None:
    config_file.write_text(
        f"max_staleness: 60\n"
        f"feeds:\n"
        f"  - {BTC}\n"
        f"  - id: 0x{ETH.upper()}\n"
        f"    alias: ETH/USD\n"
        f"    min_price_change_percent: 0.1\n"
        f"    max_staleness: 90\n"
        f"    confidence_trigger_percent: 2\n"
        f"    confidence_veto_percent: 3\n"
        f"    early_update: always\n"
    )
    btc, eth = network(without="PRICE_FEED_IDS", config_file=config_file).feeds
    assert btc.policy.rules == (Deviation(Ppm(100)), Staleness(60))
    assert (eth.feed_id, eth.alias) == (ETH, "ETH/USD")
    assert eth.policy.rules == (Deviation(Ppm(1000)), Staleness(90), Confidence(Ppm(20_000)))
    assert (eth.policy.max_source_age_s, eth.policy.max_confidence, eth.policy.early) == (90, 30_000, Early.ALWAYS)


def test_feeds_of_the_environment_replace_those_of_the_file(config_file: Path) -> None:
    config_file.write_text(f"feeds: [{ETH}]\n")
    loaded = network({"PRICE_FEED_IDS": f"0x{BTC},"}, config_file=config_file)
    assert [feed.feed_id for feed in loaded.feeds] == [BTC]


def test_a_feed_id_of_digits_alone_stays_text(config_file: Path) -> None:
    digits = "0123456789" * 6 + "0123"
    config_file.write_text(f"feeds:\n  - {digits}\n  - 0x{BTC}\n")
    loaded = network(without="PRICE_FEED_IDS", config_file=config_file)
    assert [feed.feed_id for feed in loaded.feeds] == [digits, BTC]


def test_forced_updates_can_be_switched_off() -> None:
    assert network({"FORCE_UPDATE_INTERVAL_MS": "0"}).force_update_interval_ms is None


def test_the_hermes_url_keeps_its_path() -> None:
    endpoint = settings({"HERMES_URL": "https://pyth.example.org/hermes/"}).hermes[0].endpoint
    assert (endpoint.name, endpoint.url.get_secret_value()) == (
        "pyth.example.org",
        "https://pyth.example.org/hermes",
    )


def test_secrets_do_not_show_in_the_settings_text() -> None:
    secrets = {
        "PRIVATE_KEY": OTHER_KEY,
        "HERMES_API_KEY": "hermes-key-0123456789",
        "RPC_URL": "https://user:pass-word@rpc.example.org/v2/rpc-key-0123456789",
    }
    loaded = settings(secrets)
    for text in (repr(loaded), str(loaded)):
        assert OTHER_KEY not in text
        assert "0123456789" not in text
        assert "pass-word" not in text
    assert {OTHER_KEY, "hermes-key-0123456789", "rpc-key-0123456789", "pass-word"} <= set(loaded.secrets())


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        network().debounce_ms = 5


def test_feeds_are_values() -> None:
    assert network().feeds == network().feeds
    assert all(isinstance(feed, Feed) for feed in network().feeds)


def test_an_empty_config_file_sets_nothing(config_file: Path) -> None:
    config_file.write_text("# nothing yet\n")
    assert settings(config_file=config_file) == settings()


def test_the_journal_is_a_file_here_unless_it_is_said_otherwise() -> None:
    loaded = settings()
    assert loaded.journal == SqliteFile(Path("keeper-journal.db"))
    assert (loaded.journal_sync, loaded.journal_on_failure) == (Sync.NORMAL, OnFailure.CONTINUE)
    assert loaded.journal_retention_days == 90


def test_database_url_says_where_the_journal_is_only_if_journal_url_does_not(dotenv: Path) -> None:
    server = {"DATABASE_URL": "postgres://keeper@db.internal:5433/keeper"}
    assert settings(server).journal == PostgresServer(
        "postgresql://keeper@db.internal:5433/keeper", "db.internal:5433/keeper"
    )
    dotenv.write_text("JOURNAL_URL=sqlite:///mine.db\n")
    assert settings(server, dotenv=dotenv).journal == SqliteFile(Path("mine.db"))


def test_the_password_of_the_journal_is_a_secret() -> None:
    url = "postgresql://keeper:p%40ssword@db.internal/keeper"
    assert set(settings({"JOURNAL_URL": url}).secrets()) >= {url, "p%40ssword"}
    assert "p%40ssword" not in repr(settings({"JOURNAL_URL": url}))


def test_a_file_may_hold_the_password_of_the_journal(tmp_path: Path) -> None:
    password_file = tmp_path / "password"
    password_file.write_text("p@ss:word\n")
    url = "postgresql://keeper@db.internal/keeper"
    environ = {"JOURNAL_URL": url, "JOURNAL_PASSWORD_FILE": str(password_file)}
    loaded = settings(environ)
    assert loaded.journal == PostgresServer(url, "db.internal/keeper", "p@ss:word")
    assert load_journal(config_file=None, environ=environ, dotenv=None).address == loaded.journal
    assert "p@ss:word" in loaded.secrets()
    assert "p@ss:word" not in repr(loaded)


def test_a_journal_in_a_file_has_no_use_for_a_password(tmp_path: Path) -> None:
    password_file = tmp_path / "password"
    password_file.write_text("secret")
    assert settings({"JOURNAL_PASSWORD_FILE": str(password_file)}).journal == SqliteFile(Path("keeper-journal.db"))
