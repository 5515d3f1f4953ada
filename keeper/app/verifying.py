"""Whether a keeper that runs does its work: it is well, somebody leads, and what is forced becomes final on chain.

Of every feed that had a newer price than the chain when it was asked, unless its price may not be pushed.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import msgspec

from keeper.domain.errors import Rejected
from keeper.domain.policy import Reason
from keeper.domain.status import SourceState
from keeper.domain.transaction import Outcome
from keeper.server.health import Level

_FAILURES = (Outcome.FAILED, Outcome.REVERTED, Outcome.DROPPED)
_DELIVERING = (SourceState.STREAMING, SourceState.POLLING)
_PATIENCE_S = 3.0
"""A keeper waits a little shorter for something newer, once it is asked to push."""
_UNFIT = frozenset({Reason.INVALID_PRICE, Reason.FROM_THE_FUTURE, Reason.CONFIDENCE_TOO_WIDE})
"""Why a price is not pushed, whoever asks for it."""


class Published(msgspec.Struct, frozen=True):
    """A price, by its publish time."""

    publish_time: int


class Feed(msgspec.Struct, frozen=True):
    """One feed at its source and on chain."""

    alias: str
    source: Published | None
    on_chain: Published | None
    reason: Reason
    """Of its verdict."""

    @property
    def is_fit(self) -> bool:
        """Whether its price may be pushed."""
        return self.reason not in _UNFIT

    @property
    def has_newer(self) -> bool:
        """Whether its source has delivered something newer than the chain has."""
        return self.source is not None and self.source.publish_time > _time(self.on_chain)


class Endpoint(msgspec.Struct, frozen=True):
    """One RPC endpoint."""

    healthy: bool


class Source(msgspec.Struct, frozen=True):
    """One source of prices."""

    state: SourceState


class Leadership(msgspec.Struct, frozen=True):
    """Who sends; this keeper where nothing else is told."""

    held: bool = True
    holder: str = ""

    @property
    def pod(self) -> str:
        """The holder's pod, or host: a keeper adds a word of its own to that name."""
        return self.holder.rpartition("_")[0]


class Paused(msgspec.Struct, frozen=True):
    """An operator's order to push nothing new."""

    by: str


class Network(msgspec.Struct, frozen=True):
    """One network."""

    name: str
    ready: bool
    detail: str
    dry_run: bool
    consecutive_failures: int
    pushes: dict[str, int]
    endpoints: list[Endpoint]
    feeds: list[Feed]
    newest_push: int
    final_push: int
    leadership: Leadership = Leadership()
    paused: Paused | None = None

    @property
    def rests(self) -> str:
        """Why it is not to push, and rightly so; empty where it is."""
        if self.dry_run:
            return "is watched only: dry run"
        if not self.leadership.held:
            return f"stands by for {self.leadership.holder}"
        return f"leads, and pushes nothing: paused by {self.paused.by}" if self.paused else ""

    @property
    def failures(self) -> int:
        """Pushes that came to nothing by somebody's fault."""
        return sum(self.pushes.get(outcome, 0) for outcome in _FAILURES)


class Status(msgspec.Struct, frozen=True):
    """What of /status matters here."""

    health: Level
    problems: dict[str, str]
    sources: list[Source]
    networks: list[Network]

    @property
    def has_source(self) -> bool:
        """Whether prices come in."""
        return any(source.state in _DELIVERING for source in self.sources)


@dataclass(frozen=True, slots=True)
class Finding:
    """How one network does."""

    network: str
    done: bool
    text: str
    """What was found, or what is waited for."""

    def __str__(self) -> str:
        return f"network {self.network} {self.text}"


def read_status(body: bytes, url: str) -> Status:
    """The answer of /status; raises Rejected where it is something else."""
    try:
        return msgspec.json.decode(body, type=Status)
    except (ValueError, RecursionError) as exc:
        raise Rejected(f"{url} shows a status of another kind: is it a keeper of this version?") from exc


def unwell(status: Status, leaders: Collection[str] = ()) -> Iterator[str]:
    """What keeps a keeper from being called well; nothing where it is.

    `leaders`: the only ones, by their pods, that may lead beside it; anybody may where none is named.
    """
    if status.health is Level.UNHEALTHY:
        yield from (f"{component} {why}" for component, why in status.problems.items())
    for network in status.networks:
        if not network.ready:
            yield f"network {network.name} is not ready: {network.detail}"
        elif network.consecutive_failures:
            yield f"network {network.name} fails: {network.detail}"
        elif not network.leadership.held and not network.leadership.holder:
            yield f"network {network.name}: nobody leads"
        elif leaders and not network.leadership.held and network.leadership.pod not in leaders:
            yield f"network {network.name}: {network.leadership.holder} leads, and is none of {', '.join(leaders)}"


def findings(before: Status, now: Status, *, after_s: float) -> Sequence[Finding]:
    """How far each network has come in the seconds since a push of everything was asked for."""
    earlier = {network.name: network for network in before.networks}
    quiet = now.has_source and after_s > _PATIENCE_S
    return [
        _finding(earlier[network.name], network, quiet=quiet) for network in now.networks if network.name in earlier
    ]


def _finding(before: Network, now: Network, *, quiet: bool) -> Finding:
    """`quiet`: whether something newer would have come by now."""

    def found(text: str, *, done: bool = True) -> Finding:
        return Finding(now.name, done, text)

    if now.rests:
        return found(now.rests)
    if now.failures > before.failures:
        return found(f"has failed to push: {now.detail or 'see the log'}", done=False)
    feeds = list(zip(before.feeds, now.feeds, strict=False))
    written = [feed.alias for old, feed in feeds if _is_newer(feed, old)]
    if written:
        owed = [feed.alias for old, feed in feeds if old.has_newer and not _is_newer(feed, old) and feed.is_fit]
        is_final = now.final_push > before.newest_push
        depth = f"and not yet {', '.join(owed)}" if owed else "which is final" if is_final else "which is not final yet"
        return found(f"leads, and has pushed {', '.join(written)}, {depth}", done=is_final and not owed)
    is_newest = all(_is_newest(feed) or not feed.is_fit for feed in now.feeds)
    if is_newest and quiet and any(endpoint.healthy for endpoint in now.endpoints):
        return found("leads, and nothing is newer than what is on chain")
    held = [feed.alias for feed in now.feeds if feed.reason is Reason.HELD_BY_BUDGET]
    why = f": a limit on spending holds {', '.join(held)}" if held else ""
    return found(f"leads, and has pushed nothing yet{why}", done=False)


def _is_newer(feed: Feed, before: Feed) -> bool:
    return _time(feed.on_chain) > _time(before.on_chain)


def _is_newest(feed: Feed) -> bool:
    """Whether its source has delivered, and nothing newer than the chain has."""
    return feed.source is not None and feed.on_chain is not None and not feed.has_newer


def _time(price: Published | None) -> int:
    """Before all others where there is none."""
    return -1 if price is None else price.publish_time
