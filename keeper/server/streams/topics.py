"""Which frames a client wants, and which it would rather lose."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from keeper.domain.errors import UsageError
from keeper.domain.status import NetworkStatus
from keeper.domain.units import FeedId
from keeper.server.streams.frame_parts import Priority
from keeper.server.streams.messages import Message

PUSH = frozenset({"plan", "sent", "replaced", "retried", "confirmed", "reverted", "ended", "final", "orphaned"})
PRIORITIES: Mapping[str, Priority] = MappingProxyType(
    dict.fromkeys(sorted(PUSH), Priority.HIGH)
    | dict.fromkeys(("leadership", "coordination", "control", "journal", "failing"), Priority.HIGH)
    | dict.fromkeys(("source", "rpc", "balance", "budget", "config", "health", "held", "capped"), Priority.MEDIUM)
    | dict.fromkeys(("price", "verdict", "on_chain", "chain"), Priority.LOW)
)
"""Of every type of frame."""
_GROUPS: Mapping[str, Collection[str]] = MappingProxyType({"all": frozenset(PRIORITIES), "push": PUSH})


@dataclass(frozen=True, slots=True)
class Wanted:
    """What one client asked for; None is everything."""

    types: frozenset[str] = frozenset(PRIORITIES)
    networks: frozenset[str] | None = None
    feeds: frozenset[FeedId] | None = None

    def admits(self, message: Message) -> bool:
        """Whether the client gets it: what is about no network or no feed is for all who asked for some."""
        return (
            message.type in self.types
            and (self.networks is None or message.network is None or message.network in self.networks)
            and (self.feeds is None or not message.feeds or not self.feeds.isdisjoint(message.feeds))
        )

    @property
    def priorities(self) -> frozenset[Priority]:
        """That any of them has."""
        return frozenset(PRIORITIES[type_] for type_ in self.types)

    @property
    def looks_at_feeds(self) -> bool:
        """Whether somebody has to look at feeds for it."""
        return not self.types.isdisjoint({"price", "verdict", "on_chain"})


def wanted(query: Mapping[str, Collection[str]], networks: Collection[NetworkStatus]) -> Wanted:
    """From the parameters `events`, `network` and `feed`, each once or more, with commas; raises UsageError."""
    return Wanted(
        _types(_split(query.get("events", ()))),
        _networks(_split(query.get("network", ())), networks),
        _feeds(_split(query.get("feed", ())), networks),
    )


def _split(values: Collection[str]) -> list[str]:
    return [part.strip() for value in values for part in value.split(",") if part.strip()]


def _types(names: Collection[str]) -> frozenset[str]:
    known = {*PRIORITIES, *_GROUPS}
    if strange := [name for name in names if name not in known]:
        raise UsageError(f"there are no events {strange[0]!r}: choose among {', '.join(sorted(known))}")
    return frozenset(type_ for name in names or ("all",) for type_ in _GROUPS.get(name, {name}))


def _networks(names: Collection[str], networks: Collection[NetworkStatus]) -> frozenset[str] | None:
    known = [network.name for network in networks]
    if strange := [name for name in names if name not in known]:
        raise UsageError(f"there is no network {strange[0]!r}: those that are kept are {', '.join(known)}")
    return frozenset(names) or None


def _feeds(names: Collection[str], networks: Collection[NetworkStatus]) -> frozenset[FeedId] | None:
    if not names:
        return None
    called: dict[str, set[FeedId]] = {}
    for network in networks:
        for feed in network.feeds:
            called.setdefault(feed.alias, set()).add(feed.feed_id)
            called.setdefault(feed.feed_id, set()).add(feed.feed_id)
    if strange := [name for name in names if name not in called]:
        raise UsageError(f"there is no feed {strange[0]!r}: name feeds by alias or id, as in /status")
    return frozenset(feed for name in names for feed in called[name])
