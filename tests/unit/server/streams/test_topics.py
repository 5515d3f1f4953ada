"""Clients get what they ask for, and a clear answer where they cannot."""

import pytest

from keeper.domain.errors import UsageError
from keeper.server.streams.topics import PRIORITIES, PUSH, wanted
from tests.support.status import BTC, NETWORK, NEW_FEED
from tests.support.streaming import message

NETWORKS = (NETWORK,)


def test_everything_is_wanted_where_nothing_is_said() -> None:
    assert wanted({}, NETWORKS).types == wanted({"events": ["all"]}, NETWORKS).types == set(PRIORITIES)


def test_groups_and_types_add_up() -> None:
    assert wanted({"events": ["push,price", "rpc"]}, NETWORKS).types == PUSH | {"price", "rpc"}


@pytest.mark.parametrize("name", [BTC.alias, BTC.feed_id])
def test_a_feed_is_chosen_by_alias_or_id(name: str) -> None:
    chosen = wanted({"feed": [name]}, NETWORKS)
    assert chosen.admits(message(1, "price", feeds=[BTC.feed_id]))
    assert chosen.admits(message(2, "plan", feeds=[NEW_FEED.feed_id, BTC.feed_id]))
    assert not chosen.admits(message(3, "price", feeds=[NEW_FEED.feed_id]))
    assert chosen.admits(message(4, "final"))


def test_a_network_is_chosen_and_what_is_about_none_stays() -> None:
    chosen = wanted({"network": ["devnet"]}, NETWORKS)
    assert chosen.admits(message(1, "plan", network="devnet"))
    assert not chosen.admits(message(2, "plan", network="other"))
    assert chosen.admits(message(3, "source", network=None))


@pytest.mark.parametrize(
    ("query", "answer"),
    [
        ({"events": ["pushes"]}, "there are no events 'pushes': choose among all, balance"),
        ({"network": ["evm"]}, "there is no network 'evm': those that are kept are devnet"),
        ({"feed": ["BTC"]}, "there is no feed 'BTC': name feeds by alias or id"),
    ],
)
def test_tells_what_there_is_instead(query: dict[str, list[str]], answer: str) -> None:
    with pytest.raises(UsageError, match=answer):
        wanted(query, NETWORKS)


@pytest.mark.parametrize(("events", "looks"), [("all", True), ("verdict", True), ("push,chain", False)])
def test_feeds_are_looked_at_only_for_those_who_want_them(events: str, *, looks: bool) -> None:
    assert wanted({"events": [events]}, NETWORKS).looks_at_feeds is looks
