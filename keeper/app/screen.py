"""The keeper's state as a table for the terminal."""

from collections.abc import Iterator

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from keeper.domain.policy import Reason, Verdict
from keeper.server.health import Level
from keeper.server.views import FeedView, LastPush, LeadershipView, NetworkView, SourceView, StatusView

_LEVEL_STYLES = {Level.HEALTHY: "bold green", Level.DEGRADED: "bold yellow", Level.UNHEALTHY: "bold red"}
_VERDICT_STYLES = {Verdict.DUE: "bold cyan", Verdict.EARLY: "cyan", Verdict.HOLD: "dim"}
_WORRYING = frozenset(
    {
        Reason.NO_SOURCE_PRICE,
        Reason.INVALID_PRICE,
        Reason.FROM_THE_FUTURE,
        Reason.SOURCE_STALE,
        Reason.CONFIDENCE_TOO_WIDE,
        Reason.HELD_BY_BUDGET,
    }
)
_TABLE_LINES = 5
"""Of a table besides its rows: blank lines, heading, rule and caption."""
_MINUTE_S = 60
_HOUR_S = 3_600
_DAY_S = 86_400


def screen(view: StatusView, *, height: int | None = None) -> RenderableType:
    """Head and one table a network; with a height in lines, only the feeds that fit."""
    lines = list(_head(view))
    heads = [list(_network_head(network, view.now)) for network in view.networks]
    rows = None
    if height is not None and view.networks:
        taken = len(lines) + sum(len(head) + _TABLE_LINES for head in heads)
        rows = max(1, (height - taken) // len(view.networks))
    parts: list[RenderableType] = [*lines]
    for network, head in zip(view.networks, heads, strict=True):
        parts += [*head, _feeds(network, view.now, rows)]
    return Group(*parts)


def _head(view: StatusView) -> Iterator[Text]:
    title = Text.assemble(
        (f"pyth-keeper {view.version}", "bold"),
        "  ",
        (view.health.value, _LEVEL_STYLES[view.health]),
        f"  up {duration(view.uptime_s)}",
    )
    if view.dry_run:
        title.append("  dry run: nothing is sent", "yellow")
    if view.stopping:
        title.append("  shutting down", "yellow")
    yield title
    for name, why in view.problems.items():
        yield Text(f"! {name} {why}", "yellow", no_wrap=True, overflow="ellipsis")
    for source in view.sources:
        yield _source(source)


def _source(source: SourceView) -> Text:
    last = "no event yet" if source.last_event_age_s is None else f"last event {duration(source.last_event_age_s)} ago"
    told = f"  {source.events:,} events, {last}, {source.reconnects} reconnects"
    return Text.assemble(
        ("source ", "dim"),
        (source.name, "bold"),
        "  ",
        (source.state.value, "green" if source.connected else "yellow"),
        told,
        no_wrap=True,
        overflow="ellipsis",
    )


def _network_head(network: NetworkView, now: float) -> Iterator[Text]:
    yield Text.assemble(
        ("network ", "dim"),
        (network.name, "bold"),
        f"  chain {network.chain_id or 'unknown'}  contract {network.contract}",
        no_wrap=True,
        overflow="ellipsis",
    )
    balance = "unknown" if network.balance is None else network.balance.native
    nonce = "unknown" if network.nonce is None else network.nonce
    yield Text(
        f"account {network.account}  balance {balance}  nonce {nonce}  in flight {network.in_flight}",
        no_wrap=True,
        overflow="ellipsis",
    )
    if network.leadership.shard:
        yield _leader(network.leadership)
    pushes = ", ".join(f"{count:,} {outcome}" for outcome, count in network.pushes.items() if count) or "none yet"
    last = "" if network.last_push_at is None else f", last {duration(now - network.last_push_at)} ago"
    yield Text(f"pushes {pushes}{last}  spent {network.spent.total.native}", no_wrap=True, overflow="ellipsis")


def _leader(leadership: LeadershipView) -> Text:
    held, holder = leadership.held, leadership.holder or "nobody"
    said = f"this keeper sends, as {holder}" if held else f"stands by: {holder} sends"
    text = Text.assemble(
        f"shard {leadership.shard}  ",
        (said, "green" if held else "yellow"),
        f"  epoch {leadership.epoch}",
        no_wrap=True,
        overflow="ellipsis",
    )
    if leadership.trouble:
        text.append(f"  {leadership.trouble}", "yellow")
    return text


def _feeds(network: NetworkView, now: float, rows: int | None) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("Feed", no_wrap=True)
    for heading in ("Source", "On chain", "Deviation", "Age"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("Verdict")
    table.add_column("Last push")
    for feed in network.feeds[:rows]:
        table.add_row(
            _name(feed),
            feed.source.value if feed.source else "-",
            feed.on_chain.value if feed.on_chain else "-",
            f"{feed.deviation_percent}%" if feed.deviation_percent else "-",
            "-" if feed.age_s is None else duration(feed.age_s),
            _verdict(feed),
            _last_push(feed.last_push, now),
        )
    hidden = len(network.feeds) - table.row_count
    if hidden:
        table.caption = f"and {hidden:,} more feeds"
    return table


def _name(feed: FeedView) -> str:
    return f"{feed.id[:8]}…{feed.id[-4:]}" if feed.alias == feed.id else feed.alias


def _verdict(feed: FeedView) -> Text:
    style = "yellow" if feed.reason in _WORRYING else _VERDICT_STYLES[feed.verdict]
    return Text(f"{feed.verdict.value}: {feed.reason.value}", style)


def _last_push(push: LastPush | None, now: float) -> str:
    if push is None:
        return "-"
    ended = f", {push.outcome.value}" if push.outcome else ""
    return f"{duration(now - push.at)} ago{ended}"


def duration(seconds: float) -> str:
    """A length of time in the two units that matter."""
    if seconds < _MINUTE_S:
        return f"{seconds:.1f} s"
    whole = int(seconds)
    if whole < _HOUR_S:
        return f"{whole // _MINUTE_S} min {whole % _MINUTE_S} s"
    if whole < _DAY_S:
        return f"{whole // _HOUR_S} h {whole % _HOUR_S // _MINUTE_S} min"
    return f"{whole // _DAY_S} d {whole % _DAY_S // _HOUR_S} h"
