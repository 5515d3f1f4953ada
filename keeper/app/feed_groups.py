"""Groups of feeds: named once, under `feed_groups`, and referred to from any number of networks."""

from collections.abc import Mapping
from typing import TypeAlias

from pydantic import ValidationInfo

from keeper.app.feeds import FeedEntry, entries
from keeper.app.problems import Wrong, did_you_mean, shown
from keeper.app.values import name, several

FeedGroups: TypeAlias = Mapping[str, tuple[FeedEntry, ...]]


def read_groups(value: object) -> tuple[FeedGroups, tuple[tuple[str, str], ...]]:
    """The groups by name, and what is wrong: each with the name of its group, or with nothing.

    A group that cannot be read is there, and empty. Raises Wrong where there are no groups at all.
    """
    if not isinstance(value, Mapping):
        raise Wrong("is no set of groups: a line `name:` for each is wanted, and under it a list of feeds")
    groups: dict[str, tuple[FeedEntry, ...]] = {}
    problems: list[tuple[str, str]] = []
    for called, rows in value.items():
        groups[str(called)] = ()
        try:
            name(called)
            groups[str(called)] = entries(rows)
        except Wrong as exc:
            problems += [(f".{called}", reason) for reason in exc.reasons]
    return groups, tuple(problems)


def grouped_entries(value: object, info: ValidationInfo) -> tuple[FeedEntry, ...]:
    """The feeds of the groups that are named; the groups themselves are the context of the reading."""
    groups: FeedGroups = info.context or {}
    wanted = several(value)
    if not wanted:
        raise Wrong("names no group: at least one is wanted")
    unknown = [called for called in wanted if called not in groups]
    if unknown:
        raise Wrong(*(_unknown(called, groups) for called in unknown))
    feeds: dict[str, FeedEntry] = {}
    for entry in (entry for called in wanted for entry in groups[called]):
        if feeds.setdefault(entry.id, entry) != entry:
            raise Wrong(f"the feed {entry.id} is in several of these groups, and not the same in all of them")
    return tuple(feeds.values())


def _unknown(called: str, groups: FeedGroups) -> str:
    known = f"known are {', '.join(groups)}" if groups else "there is no `feed_groups` at the top"
    return f"{shown(called)} is no group{did_you_mean(called, groups) or f': {known}'}"
