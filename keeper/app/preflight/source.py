"""Whether Hermes answers, takes the key, and has a fresh price of every feed."""

from collections.abc import Iterator, Sequence
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
    sample: bytes | None
    """Genuine update data of one feed; None where there is no price."""


async def check_source(config: HermesConfig, feeds: Sequence[Feed], clock: Clock) -> SourceReport:
    """Ask for all the feeds, on a route that wants the key."""
    answers = await tried(HERMES, _ask(config), within_s=_DEADLINE_S)
    if isinstance(answers, Finding):
        return SourceReport((answers, Finding("feeds", State.SKIPPED, f"{HERMES} failed")), None)
    hermes = Finding(HERMES, State.OK, f"{config.name} serves prices")
    return SourceReport((hermes, *_feed_findings(feeds, answers, clock.now())), _sample(answers, feeds))


async def _ask(config: HermesConfig) -> FeedAnswers:
    try:
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
            return await check_feeds(config, session)
    except (SourceFailure, InvalidUpdate) as exc:
        raise Transient(f"{config.name}: {exc}") from exc


def _feed_findings(feeds: Sequence[Feed], answers: FeedAnswers, now: float) -> Iterator[Finding]:
    prices = {feed_id: price for update in answers.updates for feed_id, price in update.prices.items()}
    for feed in feeds:
        if feed.feed_id in answers.missing:
            state, detail = State.FAIL, answers.missing[feed.feed_id]
        else:
            state, detail = judged(prices[feed.feed_id], now, too_old_s=feed.policy.max_source_age_s or _OLD_S)
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
