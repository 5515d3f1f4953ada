"""What one network consists of, how its parts are joined, and who hears of what happens."""

import asyncio
from dataclasses import replace

from keeper.domain.events import Event, FailingRepeatedly, PushFinished
from keeper.domain.orders import Pause
from keeper.domain.polling import PollPace
from keeper.domain.status import MAX_CONSECUTIVE_FAILURES
from keeper.domain.transaction import Outcome
from keeper.pipeline.backoff import Backoff
from keeper.pipeline.buffer import Buffer
from keeper.pipeline.config import NetworkConfig
from keeper.pipeline.debounce import Debounce
from keeper.pipeline.feed_report import FeedReport
from keeper.pipeline.follower import Follower
from keeper.pipeline.forcing import Forcing
from keeper.pipeline.freshness import Freshness
from keeper.pipeline.governor import Governor
from keeper.pipeline.ledger import FAILURES, Ledger
from keeper.pipeline.network_report import NetworkReport
from keeper.pipeline.planner import Planner
from keeper.pipeline.rivals import Rivals
from keeper.pipeline.shadow import Shadow
from keeper.pipeline.signatures import signatures
from keeper.pipeline.submitter import Submitter
from keeper.pipeline.tracker import OnChainView
from keeper.pipeline.trust import Trust
from keeper.pipeline.upkeep import Upkeep
from keeper.pipeline.vetting import Vetting
from keeper.ports import Outside


class Parts:
    """Each part once, and the little that all of them share."""

    def __init__(self, *, config: NetworkConfig, outside: Outside) -> None:
        feeds = tuple(config.policies)
        self.config = config
        self.outside = outside
        self.clock = outside.clock
        self.trust = Trust(config.submit.network, self.tell)
        self.buffer = Buffer(feeds, self.trust)
        self.rivals = Rivals(config.if_necessary)
        self.view = OnChainView(
            chain=outside.chain,
            feeds=feeds,
            buffer=self.buffer,
            clock=outside.clock,
            rivals=self.rivals,
            block_time_s=config.block_time_s,
        )
        self.planner = Planner(
            policies=config.policies,
            buffer=self.buffer,
            view=self.view,
            conditional=lambda: self.rivals.call_for_conditions(self.clock.monotonic()),
        )
        self.signatures = signatures(config.signers, chain=outside.chain, clock=outside.clock)
        self.vetting = Vetting(
            trust=self.trust, buffer=self.buffer, view=self.view, signatures=self.signatures, clock=outside.clock
        )
        self.debounce = Debounce(window_s=config.debounce_s, mode=config.debounce_mode)
        self.ledger = Ledger()
        self.submitter = Submitter(
            config=config.submit,
            outside=replace(outside, emit=self.tell),
            view=self.view,
            landed=self.push_ended,
        )
        self.governor = Governor(
            network=config.submit.network,
            rules=config.spend,
            policies=config.policies,
            view=self.view,
            tell=self.tell,
        )
        self.freshness = Freshness(
            policies=config.policies, buffer=self.buffer, view=self.view, heard_at=outside.heard_at
        )
        self.upkeep = Upkeep(
            network=self.name,
            pace=PollPace.between(config.policies.values(), config.poll_interval_s),
            view=self.view,
            submitter=self.submitter,
            governor=self.governor,
            signatures=self.signatures,
            outside=replace(outside, emit=self.tell),
        )
        self.follower = Follower(
            view=self.view,
            buffer=self.buffer,
            submitter=self.submitter,
            upkeep=self.upkeep,
            stirred=self.stirred,
        )
        self.report = NetworkReport(
            config=config,
            outside=outside,
            view=self.view,
            submitter=self.submitter,
            ledger=self.ledger,
            governor=self.governor,
            upkeep=self.upkeep,
            freshness=self.freshness,
            feeds=FeedReport(
                aliases=config.aliases,
                buffer=self.buffer,
                view=self.view,
                planner=self.planner,
                ledger=self.ledger,
                freshness=self.freshness,
                rivals=self.rivals,
                clock=outside.clock,
            ),
            trust=self.trust,
            signatures=self.signatures,
        )
        self.shadow = Shadow(aliases=config.aliases, view=self.view, clock=outside.clock)
        if config.dry_run:
            self.rivals.shadow = self.shadow.wrote
        self.news = asyncio.Event()
        self.unreached = asyncio.Event()
        self.forcing = Forcing()
        self.backoff = Backoff(first_s=config.submit.retry_delay_s)
        self.pause: Pause | None = None
        self.stopping = False
        """Whether nothing new is to be started."""
        self.ready = False
        """Whether it may send, or stands by for that."""

    @property
    def name(self) -> str:
        """What logs and metrics call the network."""
        return self.config.submit.network

    def tell(self, event: Event) -> None:
        """Something happened: the books first, then everybody outside."""
        now = self.clock.now()
        self.ledger.take(event, now)
        self.governor.take(event, now)
        self.outside.emit(event)

    def stirred(self) -> None:
        """The chain told something."""
        self.submitter.stir()
        self.news.set()

    def push_ended(self, finished: PushFinished) -> None:
        """A push came to its outcome."""
        self.backoff.note(finished.outcome, self.clock.monotonic())
        self.tell(finished)
        self.vetting.ended(finished)
        failures = self.ledger.consecutive_failures
        if finished.outcome in FAILURES and failures == MAX_CONSECUTIVE_FAILURES:
            self.tell(FailingRepeatedly(self.name, failures, self.ledger.last_failure))
        if finished.outcome is Outcome.FAILED:
            self.unreached.set()
        self.news.set()

    async def await_news(self, *, until: float) -> None:
        """Sleep until prices or orders arrive, or the moment (monotonic seconds) has come."""
        self.news.clear()
        try:
            async with asyncio.timeout(until - self.clock.monotonic()):
                await self.news.wait()
        except TimeoutError:
            return

    def leave_flights(self) -> None:
        """What is in flight stays with the chain and in the journal."""
        for abandoned in self.submitter.abandon():
            self.tell(abandoned)
        self.submitter.forget()
        self.vetting.forget()
