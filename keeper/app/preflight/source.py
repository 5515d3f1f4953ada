"""Whether each Hermes endpoint answers and takes its key, and some endpoint has a fresh price of every feed."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import aiohttp

from keeper.app.feeds import Feed
from keeper.app.preflight.finding import Finding, State, tried
from keeper.app.screen import duration
from keeper.domain.errors import InvalidUpdate, Transient
from keeper.domain.policy import FUTURE_TOLERANCE_S
from keeper.domain.price import Price, usable
from keeper.hermes import FeedAnswers, HermesConfig, check_feeds
from keeper.hermes.failure import SourceFailure
from keeper.ports import Clock
from keeper.server.decimals import decimal_text

HERMES = "hermes"
_DEADLINE_S = 7.0
_OLD_S = 60
"""For feeds whose settings do not say when a price is too old to be pushed."""


@dataclass(frozen=True, slots=True)
class SourceReport:
    """What was found, and something to try a push with."""

    findings: tuple[Finding, ...]
    samples: Mapping[str, bytes]
    """Genuine update data of one feed from each endpoint that has a price, by its name."""


async def check_sources(configs: Sequence[HermesConfig], feeds: Sequence[Feed], clock: Clock) -> SourceReport:
    """Ask every endpoint for all the feeds, on a route that wants the key."""
    async with asyncio.TaskGroup() as group:
        tasks = {
            config.name: group.create_task(_tried(config, alone=len(configs) == 1), name=f"check {config.name}")
            for config in configs
        }
    found = {name: task.result() for name, task in tasks.items()}
    answers = {name: each for name, each in found.items() if not isinstance(each, Finding)}
    endpoints = [_endpoint_finding(name, each, answers, alone=len(configs) == 1) for name, each in found.items()]
    if not answers:
        return SourceReport((*endpoints, Finding("feeds", State.SKIPPED, f"{HERMES} failed")), {})
    samples = {name: _sample(each, feeds) for name, each in answers.items()}
    return SourceReport(
        (*endpoints, *_feed_findings(feeds, answers, clock.now())),
        {name: sample for name, sample in samples.items() if sample is not None},
    )


async def _tried(config: HermesConfig, *, alone: bool) -> FeedAnswers | Finding:
    return await tried(_check_name(config.name, alone=alone), _ask(config), within_s=_DEADLINE_S)


def _check_name(name: str, *, alone: bool) -> str:
    return HERMES if alone else f"{HERMES} {name}"


def _endpoint_finding(
    name: str, found: FeedAnswers | Finding, answers: Mapping[str, FeedAnswers], *, alone: bool
) -> Finding:
    if not isinstance(found, Finding):
        return Finding(_check_name(name, alone=alone), State.OK, f"{name} serves prices")
    if answers:
        return Finding(found.check, State.WARN, f"{found.detail}; other endpoints stand in for it")
    return found


async def _ask(config: HermesConfig) -> FeedAnswers:
    try:
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
            return await check_feeds(config, session)
    except (SourceFailure, InvalidUpdate) as exc:
        raise Transient(f"{config.name}: {exc}") from exc


def _feed_findings(feeds: Sequence[Feed], answers: Mapping[str, FeedAnswers], now: float) -> Iterator[Finding]:
    """One a feed: its newest price, and which endpoints lack it."""
    for feed in feeds:
        prices = [
            update.prices[feed.feed_id]
            for each in answers.values()
            for update in each.updates
            if feed.feed_id in update.prices
        ]
        lacking = {name: each.missing[feed.feed_id] for name, each in answers.items() if feed.feed_id in each.missing}
        if prices:
            newest = max(prices, key=lambda price: price.publish_time)
            state, detail = judged(newest, now, too_old_s=feed.policy.max_source_age_s or _OLD_S)
        else:
            state, detail = State.FAIL, next(iter(lacking.values()))
        if prices and lacking:
            state = State.WARN if state is State.OK else state
            detail = "; ".join([detail, *(f"{name}: {why}" for name, why in lacking.items())])
        yield Finding(f"feed {feed.alias}", state, detail)


def judged(price: Price, now: float, *, too_old_s: int) -> tuple[State, str]:
    """Whether a price could be pushed at `now`, Unix seconds, and in words why."""
    value = decimal_text(price.price, price.expo)
    age_s = now - price.publish_time
    if not usable(price):
        return State.FAIL, f"its price of {value} makes no sense and is not pushed; ask whoever publishes it"
    if age_s < -FUTURE_TOLERANCE_S:
        return State.WARN, f"{value}, from {duration(-age_s)} in the future, is not pushed; check this machine's clock"
    if age_s > too_old_s:
        return State.WARN, f"{value}, {duration(age_s)} old, is not pushed; fine if its market is closed"
    return State.OK, f"{value}, {duration(max(age_s, 0.0))} old"


def _sample(answers: FeedAnswers, feeds: Sequence[Feed]) -> bytes | None:
    """The newest update, cut down to one feed that is wanted: old ones may be signed by signers of the past."""
    wanted = {feed.feed_id for feed in feeds}
    for update in sorted(answers.updates, key=lambda update: update.slot, reverse=True):
        for feed_id in update.prices:
            if feed_id in wanted:
                return update.slice([feed_id])
    return None
