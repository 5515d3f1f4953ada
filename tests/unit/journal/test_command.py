"""`keeper journal` over a journal in a file."""

import asyncio
import csv
import io
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from keeper.cli import main
from keeper.domain.transaction import Flight, State
from keeper.journal.address import SqliteFile
from keeper.journal.sqlite import SqliteJournal
from tests.support import flights as f
from tests.support.flights import ACCOUNT, BTC, ETH, OTHER

DAY_20_000 = 20_000 * 86_400.0
COST = 120_001 * (f.GWEI + 7) + 11

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """The command in a folder whose YAML file calls the feeds BTC/USD and ETH/USD: exit code, output, errors."""
    monkeypatch.chdir(tmp_path)
    feeds = "".join(f"  - {{id: {feed}, alias: {alias}}}\n" for feed, alias in ((BTC, "BTC/USD"), (ETH, "ETH/USD")))
    (tmp_path / "keeper.yaml").write_text(f"feeds:\n{feeds}")

    def call(*arguments: str) -> tuple[int, str, str]:
        code = main(["journal", *arguments, "--config", "keeper.yaml"])
        return code, *capfd.readouterr()

    return call


@pytest.fixture
def filled(tmp_path: Path) -> None:
    """Four pushes, the last of which is not mined yet, and one on another network."""

    async def fill() -> None:
        journal = SqliteJournal(SqliteFile(tmp_path / "keeper-journal.db"))
        await journal.open()
        for push in range(1, 5):
            tried = f.attempt(push, f.plan(BTC, ETH) if push % 2 else f.plan(ETH))
            flight = Flight(push, push, (tried,), problem="late" if push == 3 else "")
            at = DAY_20_000 + 3600 * push
            await journal.record(ACCOUNT, flight, f.note(at, "signed", tried))
            if push < 4:
                mined = replace(flight, receipt=f.receipt(tried, succeeded=push != 3), end=State.FINAL)
                await journal.record(ACCOUNT, mined, f.note(at + 2, "final", tried, endpoint="node", detail="in time"))
        await journal.record(OTHER, Flight(1, 1, (f.attempt(9, f.plan(BTC)),)), f.note(DAY_20_000, "signed"))
        await journal.close()

    asyncio.run(fill())


def documents(output: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines()]


def rows(output: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(output)))


@pytest.mark.usefixtures("filled")
def test_lists_pushes_as_a_table(run: Run) -> None:
    code, output, _ = run("list", "--network", "test", "--limit", "2")
    assert code == 0
    pending, reverted = (line.split() for line in output.splitlines()[3:5])
    assert pending == ["2024-10-04", "04:00:00", "test", "4", "signed", "ETH/USD", "4", "1", "-", "-"]
    assert reverted[:4] == ["2024-10-04", "03:00:00", "test", "3"]
    assert {"reverted", "BTC/USD,", "ETH/USD", "0.000120001000840018"} <= set(reverted)


@pytest.mark.usefixtures("filled")
def test_lists_pushes_as_json_to_the_wei(run: Run) -> None:
    _, output, _ = run("list", "--status", "confirmed", "--format", "json")
    second, first = documents(output)
    assert (first["push"], second["push"]) == (1, 2)
    assert first["cost_wei"] == str(COST + 2)
    assert first["decided_at"] == "2024-10-04T01:00:00.000000+00:00"
    assert first["tx_hash"] == "0x" + "01" * 32
    assert [(feed["alias"], feed["reason"]) for feed in first["feeds"]] == [
        ("BTC/USD", "deviation"),
        ("ETH/USD", "deviation"),
    ]
    assert sum(int(feed["gas_cost_wei"]) for feed in first["feeds"]) == COST
    price = f.plan(BTC).prices[BTC]
    assert first["feeds"][0]["wrote"] == {
        "price": str(price.price),
        "conf": str(price.conf),
        "publish_time": price.publish_time,
    }
    assert [(note["kind"], note["endpoint"], note["detail"]) for note in first["history"]] == [
        ("signed", "", ""),
        ("final", "node", "in time"),
    ]


@pytest.mark.usefixtures("filled")
def test_lists_pushes_as_csv(run: Run) -> None:
    _, output, _ = run("list", "--status", "reverted", "--format", "csv")
    (row,) = rows(output)
    assert (row["push"], row["outcome"], row["problem"], row["attempts"]) == ("3", "reverted", "late", "1")
    assert (row["feeds"], row["cost_wei"]) == (f"{BTC} {ETH}", str(COST))


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize(
    ("filters", "pushes"),
    [
        (("--feed", "btc/usd"), [3, 1, 1]),
        (("--feed", f"0x{ETH}", "--network", "test"), [4, 3, 2, 1]),
        (("--status", "open"), [4, 1]),
        (("--since", "2024-10-04T03:00"), [4, 3]),
        (("--until", "2024-10-04T03:00+02:00"), [1]),
        (("--since", "2024-10-05"), []),
        (("--since", "1h"), []),
    ],
)
def test_filters(run: Run, filters: tuple[str, ...], pushes: list[int]) -> None:
    _, output, _ = run("list", "--format", "json", *filters)
    assert [push["push"] for push in documents(output)] == pushes


@pytest.mark.usefixtures("filled")
def test_shows_all_about_a_push(run: Run) -> None:
    code, output, _ = run("show", "3")
    assert code == 0
    assert "3 of test, account 0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266, nonce 3" in output
    for told in (
        "reverted",
        "late",
        "120,001 at 1 gwei",
        "0.000120001000840018 (L1 0.000000000000000011 of it)",
        "BTC/USD",
        "0x" + "03" * 32,
        "in time",
    ):
        assert told in output


@pytest.mark.usefixtures("filled")
def test_finds_a_push_by_the_hash_of_a_transaction(run: Run) -> None:
    _, output, _ = run("show", "0x" + "09" * 32, "--format", "json")
    (found,) = documents(output)
    assert (found["network"], found["push"], found["state"]) == ("other", 1, "signed")


@pytest.mark.usefixtures("filled")
def test_asks_for_the_network_where_several_have_such_a_push(run: Run) -> None:
    code, output, errors = run("show", "1")
    assert (code, output) == (1, "")
    assert errors == "keeper: several pushes are called 1: say which with --network (other, test)\n"
    _, output, _ = run("show", "1", "--network", "other", "--format", "json")
    assert documents(output)[0]["network"] == "other"


@pytest.mark.usefixtures("filled")
def test_exports_everything_a_line_each(run: Run) -> None:
    _, output, _ = run("export")
    assert [(push["network"], push["push"]) for push in documents(output)] == [
        *(("test", push) for push in range(1, 5)),
        ("other", 1),
    ]
    _, output, _ = run("export", "--format", "csv", "--status", "final")
    assert [row["push"] for row in rows(output)] == ["1", "2", "3"]


@pytest.mark.usefixtures("filled")
def test_tells_costs_by_day_and_feed(run: Run) -> None:
    _, output, _ = run("costs", "--format", "csv")
    assert [(row["day"], row["alias"], row["pushes"]) for row in rows(output)] == [
        ("2024-10-04", "BTC/USD", "2"),
        ("2024-10-04", "ETH/USD", "3"),
    ]
    assert sum(int(row["cost_wei"]) for row in rows(output)) == 3 * COST + 3
    _, output, _ = run("costs", "--by", "day", "--format", "json")
    (day,) = documents(output)
    assert (day["day"], day["feed"], day["pushes"], day["cost_wei"]) == ("2024-10-04", None, 3, str(3 * COST + 3))
    _, output, _ = run("costs", "--by", "feed")
    assert output.split()[-4:] == ["all", "0.000360003002520054", "0.000000000000000003", "0.000360003002520057"]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("list",), 1, "there is no journal at keeper-journal.db"),
        (("list", "--limit", "0"), 2, "at least 1"),
        (("list", "--status", "bogus"), 2, "is none of open, reserved"),
        (("list", "--feed", "BTC/UST"), 2, "did you mean btc/usd?"),
        (("list", "--since", "yesterday"), 2, "is no time"),
        (("show", "minus"), 2, "neither the number of a push nor the hash"),
        (("show", "9" * 30), 2, "neither the number of a push nor the hash"),
    ],
)
def test_says_what_is_wrong_in_a_line(run: Run, arguments: tuple[str, ...], code: int, words: str) -> None:
    ended, output, errors = run(*arguments)
    assert (ended, output) == (code, "")
    assert words in errors
    assert errors.count("\n") == 1


@pytest.mark.usefixtures("filled")
def test_says_that_a_push_is_not_known(run: Run) -> None:
    code, _, errors = run("show", "77")
    assert (code, errors) == (
        1,
        "keeper: the journal at keeper-journal.db knows no push 77: see `keeper journal list`\n",
    )


def test_needs_no_settings_but_where_the_journal_is(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOURNAL_URL", f"sqlite:///{tmp_path}/other.db")
    monkeypatch.setenv("DATABASE_URL", "mysql://not-ours")
    code, _, errors = run("list")
    assert (code, errors) == (
        1,
        f"keeper: there is no journal at {tmp_path}/other.db: has a keeper run with this JOURNAL_URL?\n",
    )
    monkeypatch.setenv("JOURNAL_URL", "mysql://keeper:secret@db/journal")
    code, _, errors = run("list")
    assert code == 2
    assert "JOURNAL_URL in the environment: is no journal's URL" in errors
    assert "secret" not in errors


@pytest.mark.usefixtures("filled")
def test_retrying_without_a_keeper_says_so_and_asks_no_longer(run: Run, tmp_path: Path) -> None:
    code, output, errors = run("retry", "3", "--network", "test", "--wait", "0.2")
    assert (code, output) == (1, "")
    assert "keeper run" in errors
    with closing(sqlite3.connect(tmp_path / "keeper-journal.db")) as connection:
        assert connection.execute("SELECT count(*) FROM keeper_orders").fetchone() == (0,)


@pytest.mark.usefixtures("filled")
def test_retrying_what_is_not_there_is_an_error(run: Run) -> None:
    code, _, errors = run("retry", "17")
    assert code == 1
    assert "knows no push 17" in errors
