"""What feeds are called, wherever they are listed."""

from collections.abc import Mapping
from contextlib import suppress

from keeper.app.feeds import entries
from keeper.app.price_config import read_price_config
from keeper.app.problems import Wrong, did_you_mean
from keeper.domain.errors import UsageError
from keeper.domain.units import FeedId, parse_feed_id


def aliases_in(values: Mapping[str, object]) -> dict[FeedId, str]:
    """The aliases that settings give, those of networks and groups included; none of what is written wrongly."""
    groups, blocks = values.get("feed_groups"), values.get("networks")
    inside = [{"feeds": rows} for rows in groups.values()] if isinstance(groups, dict) else []
    inside += [block for block in blocks if isinstance(block, dict)] if isinstance(blocks, list) else []
    aliases: dict[FeedId, str] = {}
    for listed in (*inside, values):
        aliases |= _listed_in(listed)
    return aliases


def _listed_in(values: Mapping[str, object]) -> dict[FeedId, str]:
    with suppress(Wrong):
        if "feeds" in values:
            return {entry.id: entry.alias for entry in entries(values["feeds"]) if entry.alias is not None}
        if "price_config_file" in values:
            return {feed.feed_id: feed.alias for feed in read_price_config(values["price_config_file"])}
    return {}


def feed_called(name: str, aliases: Mapping[FeedId, str]) -> FeedId:
    """The feed of an alias or of an id; raises UsageError."""
    by_alias = {alias.lower(): feed for feed, alias in aliases.items()}
    if name.lower() in by_alias:
        return by_alias[name.lower()]
    try:
        return parse_feed_id(name)
    except UsageError as exc:
        hint = did_you_mean(name.lower(), by_alias)
        raise UsageError(f"{name!r} is neither a feed's alias in the settings nor 64 hex digits{hint}") from exc
