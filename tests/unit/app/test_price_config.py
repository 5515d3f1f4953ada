"""A price_pusher file is read unchanged and means what it means there."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.app.network_settings import NetworkSettings
from keeper.app.problems import SettingsError
from keeper.domain.policy import Confidence, Deviation, Early, FeedPolicy, Reason, TimeDifference, Verdict
from keeper.domain.price import Price
from keeper.domain.units import Ppm
from tests.support.settings import BTC, ETH, network

FILE = f"""\
# two of a kind
- alias: BTC/USD # the first
  id: {BTC}
  time_difference: 60
  price_deviation: 0.5
  confidence_ratio: 1
- alias: 'ETH/USD'
  id: "0x{ETH}"
  time_difference: 1.5
  price_deviation: 0
  confidence_ratio: 100
  early_update:
    time_difference: 30
    confidence_ratio: 0.1
"""
ROW = f"- alias: A\n  id: {BTC}\n  time_difference: 60\n  price_deviation: 0.5\n  confidence_ratio: 1\n"


def loaded(folder: Path, text: str, **environ: str) -> NetworkSettings:
    path = folder / "price-config.yaml"
    path.write_text(text)
    return network({"PRICE_CONFIG_FILE": str(path), **environ}, without="PRICE_FEED_IDS")


def policy_of(folder: Path, text: str) -> FeedPolicy:
    (feed,) = loaded(folder, text).feeds
    return feed.policy


def test_feeds_have_the_rules_of_the_file(tmp_path: Path) -> None:
    btc, eth = loaded(tmp_path, FILE).feeds
    assert (btc.feed_id, btc.alias) == (BTC, "BTC/USD")
    assert btc.policy == FeedPolicy(
        rules=(TimeDifference(60), Deviation(Ppm(5000)), Confidence(Ppm(10_000))), early=Early.ALWAYS
    )
    assert (eth.feed_id, eth.alias) == (ETH, "ETH/USD")
    assert eth.policy == FeedPolicy(
        rules=(TimeDifference(2), Deviation(Ppm(0)), Confidence(Ppm(1_000_000))),
        early=Early.RULES,
        early_rules=(TimeDifference(30), Confidence(Ppm(1000))),
    )


def test_an_empty_early_update_never_joins(tmp_path: Path) -> None:
    policy = policy_of(tmp_path, f"{ROW}  early_update: {{}}\n")
    assert (policy.early, policy.early_rules) == (Early.RULES, ())


def test_our_own_thresholds_play_no_part(tmp_path: Path) -> None:
    environ = {"MAX_STALENESS": "5", "MIN_PRICE_CHANGE_PERCENT": "9", "EARLY_UPDATE": "never"}
    assert loaded(tmp_path, FILE, **environ).feeds == loaded(tmp_path, FILE).feeds


def test_nothing_is_forced_unless_asked_for(tmp_path: Path) -> None:
    assert loaded(tmp_path, FILE).force_update_interval_ms is None
    assert loaded(tmp_path, FILE, FORCE_UPDATE_INTERVAL_MS="1000").force_update_interval_ms == 1000
    assert loaded(tmp_path, FILE, PRESET="cost").force_update_interval_ms == 600_000


@given(
    moved=st.integers(0, 20_000),
    conf=st.integers(0, 3_000_000),
    seconds=st.integers(1, 120),
)
def test_a_feed_is_due_when_price_pusher_says_yes(
    moved: int, conf: int, seconds: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    policy = policy_of(tmp_path_factory.mktemp("files"), ROW)
    on_chain = Price(price=1_000_000, conf=0, expo=-8, publish_time=1_700_000_000)
    source = Price(price=1_000_000 + moved, conf=conf // 100, expo=-8, publish_time=on_chain.publish_time + seconds)
    says_yes = seconds >= 60 or moved / on_chain.price * 100 >= 0.5 or source.conf / source.price * 100 >= 1
    verdict = policy.judge(source, on_chain, now=on_chain.publish_time + 100_000)
    assert (verdict.verdict is Verdict.DUE) == says_yes


def test_an_old_source_price_is_no_reason_to_hold_back(tmp_path: Path) -> None:
    on_chain = Price(price=100, conf=0, expo=-8, publish_time=1_700_000_000)
    source = on_chain._replace(publish_time=1_700_000_060)
    judgement = policy_of(tmp_path, ROW).judge(source, on_chain, now=1_800_000_000)
    assert judgement.reason is Reason.TIME_DIFFERENCE


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is not a price_pusher price-config file"),
        ("alias: A\n", "is not a price_pusher price-config file"),
        ("[]", "names no feed"),
        (ROW.replace("  price_deviation: 0.5\n", ""), "feed 1: price_deviation is missing"),
        (ROW.replace("0.5", "-0.5"), "feed 1: price_deviation '-0.5' is not a number"),
        (ROW.replace("0.5", "0.00005"), "feed 1: price_deviation '0.00005' is too fine"),
        (ROW.replace("60", "soon"), "feed 1: time_difference 'soon' is not a number"),
        (ROW.replace("alias", "alais"), "feed 1: alias is missing"),
        (ROW.replace(BTC, "btc"), "feed 1: id 'btc' is not a price feed id"),
        (f"{ROW}  early_updates: {{}}\n", "feed 1: early_updates is not known here: did you mean early_update?"),
        (f"{ROW}  early_update:\n", "feed 1: early_update is not a set of `name: value` lines"),
        (
            f"{ROW}  early_update: {{price_deviatoin: 1}}\n",
            "price_deviatoin is not known here: did you mean price_deviation?",
        ),
        (f"{ROW}- just text\n", "feed 2: is not a set of `name: value` lines"),
        (ROW + ROW, f"lists the feed {BTC} 2 times"),
        (ROW + ROW.replace(BTC, ETH), "calls 2 feeds A"),
        ("a: [", "this is not valid YAML"),
        ("# nothing\n", "is not a price_pusher price-config file"),
    ],
)
def test_tells_what_is_wrong(text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as raised:
        loaded(tmp_path, text)
    lines = [line for line in raised.value.lines if words in line]
    assert lines
    assert lines[0].startswith(f"PRICE_CONFIG_FILE in the environment: {tmp_path / 'price-config.yaml'}: ")
