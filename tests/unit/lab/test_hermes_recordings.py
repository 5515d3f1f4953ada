"""Market data files: what is read, and which line is to blame when it is not."""

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.domain.errors import UsageError
from keeper.lab.hermes.config import SimulatorConfig
from keeper.lab.hermes.market import Market
from keeper.lab.hermes.prices import Quote, Row
from keeper.lab.hermes.recordings import read_recording
from tests.support.fixtures import fixtures_folder

BARS = "timestamp,open,high,low,close\n"
TICKS = "timestamp,bid,ask\n"
TICK = "2020-01-01T00:00:00,1.1,1.2\n"
NOON = 1_700_000_000


def file_with(folder: Path, text: str) -> Path:
    file = folder / "data.csv"
    file.write_text(text)
    return file


def test_a_bar_gives_its_close_and_half_its_range(tmp_path: Path) -> None:
    file = file_with(tmp_path, BARS + "2022-01-01T00:01:00Z,46319.0,46385.0,46319.0,46377.5\n")
    assert read_recording(file, expo=-8) == [Row(1_640_995_260_000, Quote(4_637_750_000_000, 3_300_000_000))]


def test_a_tick_gives_the_middle_and_half_the_spread(tmp_path: Path) -> None:
    file = file_with(tmp_path, TICKS + "1970-01-01T00:00:01.065,1.1212,1.1218\n1970-01-01T01:00:02+01:00,1,1\n")
    assert read_recording(file, expo=-5) == [Row(1065, Quote(112_150, 30)), Row(2000, Quote(100_000, 0))]


def test_reads_genuine_minute_bars() -> None:
    rows = read_recording(fixtures_folder() / "btc_usd_1m_2022-01.csv.gz", expo=-8)
    assert len(rows) == 45_031
    assert rows[0].quote == Quote(46_377 * 10**8, 33 * 10**8)
    assert rows[-1].at_ms - rows[0].at_ms == 45_030 * 60_000


def test_reads_genuine_ticks() -> None:
    rows = read_recording(fixtures_folder() / "eur_usd_ticks_2020-01-01.csv.gz", expo=-6)
    assert len(rows) == 9_500
    assert rows[0].quote == Quote(1_121_460, 260)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "line 1: the header"),
        ("time,bid,ask\n", "line 1: the header"),
        (TICKS, "holds no prices"),
        (TICKS + "2020-01-01T00:00:00,1.1\n", "line 2: 2 fields where 3"),
        (TICKS + TICK + "yesterday,1.1,1.2\n", "line 3: 'yesterday' is not a timestamp"),
        (TICKS + TICK + "2020-01-01T00:00:01,one,1.2\n", "line 3: bid 'one' is not a number"),
        (TICKS + "2020-01-01T00:00:00,1.3,1.2\n", "line 2: the bid is above the ask"),
        (TICKS + "2020-01-01T00:00:00,0,1.2\n", "line 2: bid 0 is out of range"),
        (TICKS + "2020-01-01T00:00:00,1,-1\n", "line 2: ask -1 is out of range"),
        (TICKS + "2020-01-01T00:00:00,1,1e99\n", "line 2: ask 1e99 is out of range"),
        (TICKS + "2020-01-01T00:00:00,1,NaN\n", "line 2: ask NaN is out of range"),
        (TICKS + TICK + "2019-12-31T23:59:59,1.1,1.2\n", "line 3: its timestamp lies before"),
        (TICKS + TICK + "\n", "line 3: 0 fields"),
        (BARS + "2020-01-01T00:00:00,1,2,3,2\n", "line 2: open and close must lie between low and high"),
    ],
)
def test_names_the_bad_line_and_the_reason(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        read_recording(file_with(tmp_path, text), expo=-8)


def test_names_the_file_that_cannot_be_read(tmp_path: Path) -> None:
    cut, plain, binary = tmp_path / "cut.csv.gz", tmp_path / "plain.csv.gz", tmp_path / "binary.csv"
    cut.write_bytes(gzip.compress((TICKS + TICK * 1000).encode())[:40])
    plain.write_text(TICKS)
    binary.write_bytes(TICKS.encode() + b"\xff\xfe")
    for file in (cut, plain, binary, tmp_path, tmp_path / "nowhere.csv"):
        with pytest.raises(UsageError, match=file.name):
            read_recording(file, expo=-8)


@given(content=st.one_of(st.binary(max_size=300), st.text(max_size=300).map(lambda text: (TICKS + text).encode())))
def test_arbitrary_files_raise_only_usage_errors(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    file = tmp_path_factory.mktemp("any") / "data.csv"
    file.write_bytes(content)
    with pytest.raises(UsageError):
        read_recording(file, expo=-8)


def test_a_market_replays_a_file_and_closes_at_its_end(tmp_path: Path) -> None:
    lines = [f"2020-01-01T00:00:0{second},1.{second},1.{second}\n" for second in range(3)]
    path = file_with(tmp_path, TICKS + "".join(lines))
    config = SimulatorConfig(feeds=5, recordings={"EUR/USD": path}, interval_ms=1000, loop=False)
    market = Market(config, now_s=NOON)
    seen = [market.advance(NOON + step)[3] for step in range(1, 6)]
    assert [message.price for message in seen] == [110_000, 120_000, 120_000, 120_000, 120_000]
    assert [message.publish_time - NOON for message in seen] == [1, 2, 3, 3, 3]


def test_a_replayed_feed_has_no_volatility(tmp_path: Path) -> None:
    market = Market(SimulatorConfig(feeds=2, recordings={"ETH/USD": file_with(tmp_path, TICKS + TICK)}), now_s=NOON)
    with pytest.raises(UsageError, match="replays a recording"):
        market.set_volatility(5, ["BTC/USD", "ETH/USD"])
    market.set_volatility(5)
