"""The table in the terminal."""

from dataclasses import replace

import pytest
from rich.console import Console

from keeper.app.screen import duration, screen
from keeper.domain.status import KeeperStatus, Leadership, SourceState
from keeper.server.status import status_view
from tests.support.status import BTC, KEEPER, NETWORK, feed_id, with_feeds, with_network, with_source


async def shown(status: KeeperStatus = KEEPER, *, height: int | None = None) -> str:
    console = Console(width=140, color_system=None, force_terminal=False)
    with console.capture() as capture:
        console.print(screen(await status_view(status), height=height))
    return capture.get()


async def row(alias: str, status: KeeperStatus = KEEPER) -> list[str]:
    (line,) = (line for line in (await shown(status)).splitlines() if line.strip().startswith(alias))
    return line.split()


async def test_shows_a_feed_in_a_row() -> None:
    assert await row("BTC/USD") == [
        *("BTC/USD", "61409.93501000", "61348.59000000", "0.0999%"),
        *("12.2", "s", "due:", "deviation", "11.5", "s", "ago,", "confirmed"),
    ]


async def test_shows_a_feed_that_has_nothing_yet() -> None:
    assert await row("NEW/USD") == ["NEW/USD", "-", "-", "-", "-", "hold:", "no_source_price", "-"]


async def test_shortens_an_id_that_stands_for_a_name() -> None:
    nameless = replace(BTC, feed_id=feed_id(0xABCD), alias=feed_id(0xABCD))
    assert (await row("00000000…abcd", with_network(feeds=(nameless,))))[1] == "61409.93501000"


@pytest.mark.parametrize(
    "words",
    [
        "healthy",
        "up 1 h 0 min",
        "hermes  streaming  4,321 events, last event 0.2 s ago, 2 reconnects",
        f"account {NETWORK.account}  balance 1.5  nonce 12  in flight 1",
        "pushes 10 confirmed, 1 nothing_newer, last 11.5 s ago  spent 0.000123456789000011",
    ],
)
async def test_shows_the_keeper_above_the_feeds(words: str) -> None:
    assert words in await shown()


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (with_source(state=SourceState.DOWN, connected=False, detail="refused"), "! source:hermes cannot be reached: "),
        (
            with_network(leadership=Leadership(held=True, shard="1-0xab", holder="pod-a_1", epoch=3)),
            "shard 1-0xab  this keeper sends, as pod-a_1  epoch 3",
        ),
        (
            with_network(leadership=Leadership(held=False, shard="1-0xab", holder="pod-b_2", epoch=4)),
            "shard 1-0xab  stands by: pod-b_2 sends  epoch 4",
        ),
        (
            with_network(leadership=Leadership(held=False, shard="1-0xab", trouble="the leases cannot be read")),
            "stands by: nobody sends  epoch 0  the leases cannot be read",
        ),
        (with_network(dry_run=True), "dry run: nothing is sent"),
        (replace(KEEPER, stopping=True), "shutting down"),
        (with_network(balance=None, nonce=None, pushes={}, last_push_at=None), "balance unknown  nonce unknown"),
        (with_network(pushes={}, last_push_at=None), "pushes none yet  spent"),
        (with_network(chain_id=None), "chain unknown  contract"),
    ],
)
async def test_shows_what_is_out_of_the_ordinary(status: KeeperStatus, words: str) -> None:
    assert words in await shown(status)


@pytest.mark.parametrize("height", [15, 24, 50])
async def test_fills_the_height_of_the_terminal(height: int) -> None:
    text = await shown(with_feeds(200), height=height)
    assert len(text.splitlines()) == height
    assert f"and {200 - text.count('FEED')} more feeds" in text


async def test_shows_at_least_one_feed() -> None:
    assert (await shown(with_feeds(200), height=3)).count("FEED") == 1


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.25, "0.2 s"), (59.9, "59.9 s"), (61, "1 min 1 s"), (3_660, "1 h 1 min"), (90_000, "1 d 1 h")],
)
def test_tells_a_duration_in_two_units(seconds: float, text: str) -> None:
    assert duration(seconds) == text
