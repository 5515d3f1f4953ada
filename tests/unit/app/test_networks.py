"""Several networks in one file: what holds where, and what is wrong with which."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from keeper.app.accounts import Accounts
from keeper.app.loading import load, load_journal
from keeper.app.problems import SettingsError
from keeper.app.settings import Settings
from keeper.domain.errors import Fatal
from keeper.domain.policy import Deviation, Staleness
from keeper.domain.units import Ppm
from tests.support.settings import BTC, CONTRACT, ETH, PRIVATE_KEY

OTHER_KEY = "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"
TWO = f"""
contract_address: "{CONTRACT}"
feed_groups:
  majors: [{{id: {BTC}, alias: BTC/USD}}, {ETH}]
networks:
  - {{name: one, rpc_url: "https://one.example.org", feed_groups: [majors]}}
  - {{name: two, rpc_url: "https://two.example.org", feeds: [{ETH}]}}
"""


def loaded(folder: Path, text: str, environ: Mapping[str, str] | None = None) -> Settings:
    config = folder / "keeper.yaml"
    config.write_text(text)
    return load(config_file=config, environ={"PRIVATE_KEY": PRIVATE_KEY} if environ is None else environ, dotenv=None)


def problems(folder: Path, text: str, environ: Mapping[str, str] | None = None) -> list[str]:
    with pytest.raises(SettingsError) as raised:
        loaded(folder, text, environ)
    return [line.replace(f"{folder}/", "") for line in raised.value.lines]


def test_a_block_takes_what_it_does_not_say_from_outside(tmp_path: Path) -> None:
    text = f"debounce_ms: 5\n{TWO}".replace("feeds: [", "debounce_ms: 7, feeds: [")
    one, two = loaded(tmp_path, text).networks
    assert (one.debounce_ms, two.debounce_ms) == (5, 7)
    assert (one.contract_address, two.contract_address) == (CONTRACT, CONTRACT)
    assert [node.name for node in two.rpc_url] == ["two.example.org"]


def test_a_block_wins_over_the_environment_which_wins_over_the_rest_of_the_file(tmp_path: Path) -> None:
    environ = {"PRIVATE_KEY": PRIVATE_KEY, "RPC_URL": "https://left.over.example.org", "MAX_STALENESS": "9"}
    one, _ = loaded(tmp_path, f"max_staleness: 8\n{TWO}", environ).networks
    assert [node.name for node in one.rpc_url] == ["one.example.org"]
    assert one.max_staleness == 9


def test_a_key_in_a_block_replaces_a_common_key_file(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text(PRIVATE_KEY)
    text = TWO.replace("feeds: [", f'private_key: "{OTHER_KEY}", feeds: [')
    one, two = loaded(tmp_path, text, {"PRIVATE_KEY_FILE": str(key)}).networks
    assert (one.private_key.get_secret_value(), two.private_key.get_secret_value()) == (PRIVATE_KEY, OTHER_KEY)


def test_all_feeds_are_subscribed_to_once_and_called_by_their_aliases(tmp_path: Path) -> None:
    settings = loaded(tmp_path, TWO)
    assert settings.feeds == (BTC, ETH)
    assert settings.aliases == {BTC: "BTC/USD", ETH: ETH}


def test_a_network_has_the_feeds_of_its_groups_and_its_own_which_win(tmp_path: Path) -> None:
    text = TWO.replace("feed_groups: [majors]", f"feed_groups: [majors], feeds: [{{id: {BTC}, max_staleness: 3}}]")
    one, two = loaded(tmp_path, text).networks
    assert [feed.feed_id for feed in one.feeds] == [BTC, ETH]
    assert one.feeds[0].policy.rules == (Deviation(Ppm(100)), Staleness(3))
    assert [feed.feed_id for feed in two.feeds] == [ETH]


def test_a_preset_may_be_a_networks_own(tmp_path: Path) -> None:
    one, two = loaded(tmp_path, TWO.replace("feeds: [", "preset: speed, feeds: [")).networks
    assert (one.debounce_ms, two.debounce_ms) == (1000, 400)


def test_the_journals_reader_knows_the_aliases_of_groups_and_networks(tmp_path: Path) -> None:
    config = tmp_path / "keeper.yaml"
    config.write_text(TWO.replace(f"feeds: [{ETH}]", f"feeds: [{{id: {ETH}, alias: ETH/USD}}]"))
    place = load_journal(config_file=config, environ={}, dotenv=None)
    assert place.aliases == {BTC: "BTC/USD", ETH: "ETH/USD"}


def test_tells_all_mistakes_at_once_with_their_paths(tmp_path: Path) -> None:
    text = f"""
max_staleness: never
feed_groups:
  majors: [{BTC[:-1]}]
networks:
  - rpc_url: ftp://one.example.org
    metrics_port: 1
    debounse_ms: 3
    feed_groups: [minors]
  - name: two
    network_name: zwei
    contract_address: "{CONTRACT}"
    debounce_ms: soon
  - just text
"""
    told = problems(tmp_path, text)
    shown_id = "a text of 63 characters"
    assert told[:6] == [
        (
            f"feed_groups.majors in keeper.yaml: feed 1: id {shown_id} is not a price feed id: 64 hex digits are"
            " wanted, 0x in front is fine"
        ),
        "networks[0].metrics_port in keeper.yaml holds for the whole process: give it outside of `networks`",
        "networks[0].debounse_ms in keeper.yaml is not known: did you mean debounce_ms?",
        "networks[1].network_name in keeper.yaml is called name here",
        "networks[2] in keeper.yaml: is not a set of `name: value` lines",
        "networks[0].name in keeper.yaml is missing: say what to call the network",
    ]
    assert "networks[0].rpc_url in keeper.yaml: does not start with https:// or wss:// or http:// or ws://" in told
    assert "networks[0].feed_groups in keeper.yaml: 'minors' is no group: known are majors" in told
    assert "networks[1].rpc_url is missing: set it, for instance to https://rpc.example.org" in told
    assert any(line.startswith("networks[1].debounce_ms in keeper.yaml: 'soon'") for line in told)
    assert any(line.startswith("networks[1].price_feed_ids is missing: set it (or ") for line in told)
    assert sum(line.startswith("max_staleness in keeper.yaml: 'never'") for line in told) == 1


@pytest.mark.parametrize("rows", ["", "{}", "[]", "one"])
def test_networks_that_are_no_list_are_told(rows: str, tmp_path: Path) -> None:
    told = problems(tmp_path, f"networks: {rows}\n", {})
    if rows:
        assert told == ["networks in keeper.yaml: is not a list of blocks, one for each network"]
    else:
        assert "PRIVATE_KEY is missing: set it (or PRIVATE_KEY_FILE)" in told


def test_names_are_given_once(tmp_path: Path) -> None:
    assert problems(tmp_path, TWO.replace("name: two", "name: one")) == [
        "networks[1] in keeper.yaml: networks[0] is called one too: give each its own name"
    ]


def test_feeds_of_a_network_have_different_aliases(tmp_path: Path) -> None:
    text = TWO.replace("feed_groups: [majors]", f"feed_groups: [majors], feeds: [{{id: {ETH}, alias: BTC/USD}}]")
    assert problems(tmp_path, text) == [
        "networks[0].feed_groups in keeper.yaml: calls 2 feeds BTC/USD: give each its own alias"
    ]


def test_a_feed_that_two_groups_describe_differently_is_told(tmp_path: Path) -> None:
    text = TWO.replace("feed_groups:\n", f"feed_groups:\n  minors: [{BTC}]\n").replace("[majors]", "[majors, minors]")
    (line,) = problems(tmp_path, text)
    assert line.startswith(f"networks[0].feed_groups in keeper.yaml: the feed {BTC} is in several of these groups")


def test_no_secret_of_a_block_is_echoed(tmp_path: Path) -> None:
    secret = "fedcba9876543210" * 4
    text = TWO.replace("https://two.example.org", f"http://two.example.org/{secret}")
    text = text.replace("feeds: [", f'private_key: "{secret}", debounce_mode: "{secret}", feeds: [')
    assert all(secret[:20] not in line for line in problems(tmp_path, text))


def test_one_account_on_one_chain_is_refused_where_the_settings_tell_the_chain(tmp_path: Path) -> None:
    (line,) = problems(tmp_path, f"chain_id: 5\n{TWO}")
    assert line.startswith("networks[1] in keeper.yaml: two and one send with the account 0xf39F")
    assert "give each a key of its own" in line
    text = TWO.replace("feeds: [", f'private_key: "{OTHER_KEY}", feeds: [')
    assert len(loaded(tmp_path, f"chain_id: 5\n{text}").networks) == 2


def test_one_account_on_one_chain_is_refused_once_the_nodes_tell_the_chain(tmp_path: Path) -> None:
    one, two = loaded(tmp_path, TWO).networks
    accounts = Accounts()
    first, second = accounts.admission(one), accounts.admission(two)
    first(5)
    first(5)
    second(6)
    with pytest.raises(Fatal, match="two and one send with the account"):
        second(5)


def test_a_chain_that_is_not_the_wanted_one_is_refused(tmp_path: Path) -> None:
    one, _ = loaded(tmp_path, TWO.replace("name: one", "chain_id: 5, name: one")).networks
    admit = Accounts().admission(one)
    admit(5)
    with pytest.raises(Fatal, match="serve chain 6, and CHAIN_ID says 5"):
        admit(6)
