"""What is different between the settings that run and those that are read anew."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from keeper.app.feeds import Feed
from keeper.app.network_settings import NetworkSettings
from keeper.app.settings import Settings
from keeper.domain.policy import Confidence, Deviation, FeedPolicy, Rule, Staleness, TimeDifference
from keeper.domain.units import FeedId, Ppm

_PPM_AS_PERCENT = -4
_OF_FEEDS = frozenset(
    {
        "feed_ids", "feed_list", "feeds_of_groups", "price_config_feeds", "min_price_change_percent", "max_staleness",
        "early_update", "confidence_trigger_percent", "confidence_veto_percent", "preset",
    }
)  # fmt: skip
"""Fields of a network that say nothing but which feeds it has and when each is due. A preset says more, elsewhere."""


@dataclass(frozen=True, slots=True)
class FeedDifferences:
    """What is different about the feeds of one network, by their aliases."""

    network: str
    added: Sequence[str]
    removed: Sequence[str]
    changed: Mapping[str, str]
    """What is different about the thresholds of each."""

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)


def feed_differences(network: str, old: Sequence[Feed], new: Sequence[Feed]) -> FeedDifferences:
    """From the old feeds of a network to the new ones."""
    before = {feed.feed_id: feed for feed in old}
    after = {feed.feed_id: feed for feed in new}
    return FeedDifferences(
        network=network,
        added=[feed.alias for feed_id, feed in after.items() if feed_id not in before],
        removed=[feed.alias for feed_id, feed in before.items() if feed_id not in after],
        changed={
            feed.alias: text for feed_id, feed in after.items() if (text := _changed(before.get(feed_id), feed.policy))
        },
    )


def needs_restart(running: Settings, new: Settings) -> list[str]:
    """Settings, as the operator calls them, that differ and only hold after a restart. No values: some are secret."""
    process = [
        field.alias or name
        for name, field in Settings.model_fields.items()
        if name != "networks" and getattr(running, name) != getattr(new, name)
    ]
    before = {network.network_name: network for network in running.networks}
    after = {network.network_name: network for network in new.networks}
    networks = [f"network {name} (new)" for name in after.keys() - before.keys()]
    networks += [f"network {name} (removed)" for name in before.keys() - after.keys()]
    for name in before.keys() & after.keys():
        networks += [f"{setting} of {name}" for setting in _different(before[name], after[name])]
    return sorted(process) + sorted(networks)


def policies(network: NetworkSettings) -> dict[FeedId, FeedPolicy]:
    """When each feed is due."""
    return {feed.feed_id: feed.policy for feed in network.feeds}


def aliases(network: NetworkSettings) -> dict[FeedId, str]:
    """What each feed is called."""
    return {feed.feed_id: feed.alias for feed in network.feeds}


def _different(old: NetworkSettings, new: NetworkSettings) -> Iterator[str]:
    for name, field in NetworkSettings.model_fields.items():
        if name not in _OF_FEEDS and getattr(old, name) != getattr(new, name):
            yield field.alias or name


def _changed(old: Feed | None, new: FeedPolicy) -> str:
    if old is None or old.policy == new:
        return ""
    before, after = _told(old.policy), _told(new)
    parts = [
        f"{what} {before.get(what, 'none')} -> {after.get(what, 'none')}"
        for what in {**before, **after}
        if before.get(what) != after.get(what)
    ]
    return ", ".join(parts)


def _told(policy: FeedPolicy) -> dict[str, str]:
    told = dict(_rule(rule) for rule in policy.rules)
    told["early"] = policy.early.value
    told |= {f"early {what}": value for what, value in map(_rule, policy.early_rules)}
    told["max source age"] = f"{policy.max_source_age_s} s"
    if policy.max_confidence is not None:
        told["confidence veto"] = _percent(policy.max_confidence)
    return told


def _rule(rule: Rule) -> tuple[str, str]:
    match rule:
        case Deviation(threshold=threshold):
            return "deviation", _percent(threshold)
        case Confidence(threshold=threshold):
            return "confidence", _percent(threshold)
        case Staleness(max_age_s=seconds):
            return "staleness", f"{seconds} s"
        case TimeDifference(seconds=seconds):
            return "time difference", f"{seconds} s"
        case _:
            return rule.reason.value, str(rule)


def _percent(ppm: Ppm) -> str:
    return f"{Decimal(ppm).scaleb(_PPM_AS_PERCENT).normalize():f}%"
