"""The journal as tables for the terminal."""

from collections.abc import Iterator, Mapping, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from keeper.app.lines import FeedNames, listed
from keeper.app.moments import day_text, utc_text
from keeper.domain.transaction import Outcome
from keeper.domain.units import WEI_PER_GWEI, FeedId
from keeper.journal.stories import CostLine, PushStory
from keeper.server.decimals import native_text

_STYLES = {
    Outcome.CONFIRMED: "green",
    Outcome.NOTHING_NEWER: "green",
    Outcome.REVERTED: "bold red",
    Outcome.FAILED: "bold red",
}


def pushes_table(stories: Sequence[PushStory], names: FeedNames) -> RenderableType:
    """One line a push."""
    table = _table("Decided (UTC)", "Network", ">Push", "Ended as", "Feeds", ">Nonce", ">Tries", ">Cost", "Transaction")
    for story in stories:
        table.add_row(
            utc_text(story.decided_at),
            story.network,
            str(story.push),
            _ended(story),
            listed(names.of(story.feeds)),
            str(story.nonce),
            str(len(story.attempts)),
            "-" if story.cost is None else native_text(story.cost),
            "-" if story.tx_hash is None else f"0x{story.tx_hash[:4].hex()}…{story.tx_hash[-2:].hex()}",
        )
    return table


def push_tables(story: PushStory, names: FeedNames) -> RenderableType:
    """All about one push."""
    facts = Table.grid(padding=(0, 2))
    for label, value in _facts(story):
        facts.add_row(Text(label, "dim"), value)
    return Group(facts, _attempts(story, names), _feeds(story, names), _history(story))


def costs_table(lines: Sequence[CostLine], names: FeedNames) -> RenderableType:
    """One line for each day and feed as far as they were told apart, and the sums of each network."""
    table = _table("Network", "Day (UTC)", "Feed", ">Pushes", ">Gas", ">Update fees", ">Total")
    sums: dict[str, tuple[int, int]] = {}
    for line in lines:
        day = "" if line.day is None else day_text(line.day)
        (feed,) = names.of([line.feed]) if line.feed is not None else [""]
        amounts = line.gas_cost, line.update_fee
        table.add_row(line.network, day, feed, str(line.pushes), *_amounts(*amounts))
        gas, fees = sums.get(line.network, (0, 0))
        sums[line.network] = gas + line.gas_cost, fees + line.update_fee
    _add_sums(table, sums)
    return table


def _add_sums(table: Table, sums: Mapping[str, tuple[int, int]]) -> None:
    if table.row_count > len(sums):
        table.add_section()
        for network, amounts in sums.items():
            table.add_row(network, "all", "", "", *_amounts(*amounts), style="bold")


def _amounts(gas: int, fees: int) -> Iterator[str]:
    for amount in (gas, fees, gas + fees):
        yield native_text(amount)


def _facts(story: PushStory) -> Iterator[tuple[str, RenderableType]]:
    yield "push", Text(f"{story.push} of {story.network}, account {story.account}, nonce {story.nonce}", "bold")
    yield "ended as" if story.ended_at is not None else "stands at", _ended(story)
    if story.problem:
        yield "problem", Text(story.problem, "yellow")
    times = {"decided": story.decided_at, "mined": story.mined_at, "ended": story.ended_at}
    yield "times", ", ".join(f"{what} {utc_text(at)}" for what, at in times.items() if at is not None)
    if story.tx_hash is not None:
        yield "transaction", f"{_hash(story.tx_hash)} in block {story.block_number}"
    if story.cost is not None and story.gas_price is not None:
        gwei = f"{story.gas_price / WEI_PER_GWEI:.4g}"
        yield "gas", f"{story.gas_used:,} at {gwei} gwei"
        gas, fee = native_text(story.gas_cost or 0), native_text(story.update_fee or 0)
        share = f" (L1 {native_text(story.l1_fee)} of it)" if story.l1_fee else ""
        yield "cost", f"{native_text(story.cost)}: gas {gas}{share}, update fee {fee}"


def _attempts(story: PushStory, names: FeedNames) -> Table:
    table = _table("Signed (UTC)", "Fate", ">Fee cap", ">Tip", ">Gas limit", "Transaction", "Feeds", title="Attempts")
    for attempt in story.attempts:
        table.add_row(
            utc_text(attempt.signed_at),
            "mined" if attempt.hash == story.tx_hash else attempt.fate,
            f"{attempt.fee_cap / WEI_PER_GWEI:.4g} gwei",
            f"{attempt.tip / WEI_PER_GWEI:.4g} gwei",
            "-" if attempt.gas_limit is None else f"{attempt.gas_limit:,}",
            _hash(attempt.hash),
            "cancels" if attempt.cancels else listed(names.of(attempt.feeds)),
        )
    return table


def _feeds(story: PushStory, names: FeedNames) -> Table:
    table = _table("Feed", "Reason", "Wrote a price of", ">Gas", ">Update fee", title="Feeds")
    wrote = {each.feed_id: utc_text(each.publish_time) for each in story.writes}
    shares = {share.feed: share for share in story.feed_costs}
    for feed, reason in story.feeds.items():
        share = shares.get(feed)
        costs = ("-", "-") if share is None else (native_text(share.gas_cost), native_text(share.update_fee))
        table.add_row(_feed(feed, names), reason, wrote.get(feed, "-"), *costs)
    return table


def _history(story: PushStory) -> Table:
    table = _table("At (UTC)", "What", "Transaction", "Endpoint", "Detail", title="History")
    for note in story.notes:
        table.add_row(utc_text(note.at, digits=3), note.kind, _hash(note.tx_hash or None), note.endpoint, note.detail)
    return table


def _feed(feed: FeedId, names: FeedNames) -> str:
    return names.of([feed])[0]


def _ended(story: PushStory) -> Text:
    if story.outcome is None:
        return Text(story.state, "cyan")
    state = "" if story.ended_at is not None else f" ({story.state})"
    return Text(f"{story.outcome}{state}", _STYLES.get(Outcome(story.outcome), "yellow"))


def _hash(value: bytes | None) -> str:
    return "-" if value is None else f"0x{value.hex()}"


def _table(*headings: str, title: str | None = None) -> Table:
    """A heading that begins with `>` is one of numbers."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, title=title, title_justify="left")
    for heading in headings:
        table.add_column(heading.removeprefix(">"), justify="right" if heading[0] == ">" else "left")
    return table
