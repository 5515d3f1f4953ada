"""The line beside the health line of a dry run: how it compares with whoever else pushes."""

import logging

from keeper.domain.status import KeeperStatus, NetworkStatus, ShadowFeed, ShadowStatus
from keeper.server.decimals import native_text

log = logging.getLogger(__name__)


def log_shadow(status: KeeperStatus) -> None:
    """A line for each network in a dry run; none for others."""
    for network in status.networks:
        if network.shadow is not None:
            log.info("shadow", extra=_told(network, network.shadow))


def _told(network: NetworkStatus, shadow: ShadowStatus) -> dict[str, object]:
    return {"text": _sentence(network, shadow), "fields": _fields(network), "paced": True}


def _sentence(network: NetworkStatus, shadow: ShadowStatus) -> str:
    ours, theirs = sum(feed.ours for feed in shadow.feeds), sum(feed.theirs for feed in shadow.feeds)
    first = sum(feed.ours_first for feed in shadow.feeds)
    return (
        f"{network.name}, dry run: we would have updated feeds {ours:,} times for {native_text(shadow.cost)} coins;"
        f" others did {theirs:,} times, {first:,} of them after us"
    )


def _fields(network: NetworkStatus) -> dict[str, object]:
    shadow = network.shadow or ShadowStatus()
    return {
        "network": network.name,
        "cost": native_text(shadow.cost),
        "feeds": {feed.alias: _feed(feed) for feed in shadow.feeds},
    }


def _feed(feed: ShadowFeed) -> dict[str, object]:
    return {
        "ours": feed.ours,
        "theirs": feed.theirs,
        "ours_first": feed.ours_first,
        "theirs_first": feed.theirs_first,
        "mean_lead_s": _rounded(feed.mean_lead_s),
        "mean_lag_s": _rounded(feed.mean_lag_s),
        "cost": native_text(feed.cost),
    }


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
