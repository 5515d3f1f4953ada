"""One network's whole story: prices come in, due feeds go out, the chain says what became of them.

source ──▶ take ──▶ Buffer ─┐
                            ├─▶ Planner ─▶ Plan ─▶ Submitter ─▶ chain
chain ───▶ OnChainView ─────┘      (what is due, when Debounce lets it go)   │
               ▲──────────────────── receipts ──────────────────────────────┘
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Never

from keeper.domain.budget import DAY_S
from keeper.domain.errors import JournalError, KeeperError, MandateLost, Transient
from keeper.domain.events import (
    Event,
    FailingRepeatedly,
    ForceRefused,
    ForceRequested,
    NothingToPush,
    PushFinished,
    PushingPaused,
    PushingResumed,
    PushPlanned,
)
from keeper.domain.orders import Addressee, Pause, PushRequest
from keeper.domain.plan import Plan
from keeper.domain.policy import FeedPolicy
from keeper.domain.polling import PollPace
from keeper.domain.status import MAX_CONSECUTIVE_FAILURES, NetworkStatus
from keeper.domain.transaction import Flight, Outcome
from keeper.domain.units import FeedId
from keeper.pipeline.accounting import dropped
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
from keeper.pipeline.planner import Planner, Survey
from keeper.pipeline.rivals import Rivals
from keeper.pipeline.shadow import Shadow
from keeper.pipeline.signatures import signatures
from keeper.pipeline.submitter import Submitter
from keeper.pipeline.tracker import OnChainView
from keeper.pipeline.trust import Trust
from keeper.pipeline.upkeep import Upkeep
from keeper.pipeline.vetting import Vetting
from keeper.ports import Account, Outside, PriceEvent

_LOOK_AGAIN_S = 1.0
"""Feeds fall due by time as well: judged at least this often, events or none."""
_TIMER_GRAIN_S = 0.001
"""No timer is finer: a wait that would be shorter is over."""


class Network:
    """Keeps the feeds of one contract on one chain fresh with one account."""

    def __init__(self, *, config: NetworkConfig, outside: Outside) -> None:
        feeds = tuple(config.policies)
        self._config = config
        self._outside = outside
        self._clock = outside.clock
        self._trust = Trust(config.submit.network, self._tell)
        self._buffer = Buffer(feeds, self._trust)
        self._rivals = Rivals(config.if_necessary)
        self._view = OnChainView(
            chain=outside.chain,
            feeds=feeds,
            buffer=self._buffer,
            clock=outside.clock,
            rivals=self._rivals,
            block_time_s=config.block_time_s,
        )
        self._planner = Planner(
            policies=config.policies,
            buffer=self._buffer,
            view=self._view,
            conditional=lambda: self._rivals.call_for_conditions(self._clock.monotonic()),
        )
        self._signatures = signatures(config.signers, chain=outside.chain, clock=outside.clock)
        self._vetting = Vetting(
            trust=self._trust, buffer=self._buffer, view=self._view, signatures=self._signatures, clock=outside.clock
        )
        self._debounce = Debounce(window_s=config.debounce_s, mode=config.debounce_mode)
        self._ledger = Ledger()
        self._submitter = Submitter(
            config=config.submit,
            outside=replace(outside, emit=self._tell),
            view=self._view,
            landed=self._push_ended,
        )
        self._governor = Governor(
            network=config.submit.network,
            rules=config.spend,
            policies=config.policies,
            view=self._view,
            tell=self._tell,
        )
        self._freshness = Freshness(
            policies=config.policies, buffer=self._buffer, view=self._view, heard_at=outside.heard_at
        )
        self._upkeep = Upkeep(
            network=self.name,
            pace=PollPace.between(config.policies.values(), config.poll_interval_s),
            view=self._view,
            submitter=self._submitter,
            governor=self._governor,
            signatures=self._signatures,
            outside=replace(outside, emit=self._tell),
        )
        self._follower = Follower(
            view=self._view,
            buffer=self._buffer,
            submitter=self._submitter,
            upkeep=self._upkeep,
            stirred=self._stirred,
        )
        self._report = NetworkReport(
            config=config,
            outside=outside,
            view=self._view,
            submitter=self._submitter,
            ledger=self._ledger,
            governor=self._governor,
            upkeep=self._upkeep,
            freshness=self._freshness,
            feeds=FeedReport(
                aliases=config.aliases,
                buffer=self._buffer,
                view=self._view,
                planner=self._planner,
                ledger=self._ledger,
                freshness=self._freshness,
                rivals=self._rivals,
                clock=outside.clock,
            ),
            trust=self._trust,
            signatures=self._signatures,
        )
        self._shadow = Shadow(aliases=config.aliases, view=self._view, clock=outside.clock)
        if config.dry_run:
            self._rivals.shadow = self._shadow.wrote
        self._news = asyncio.Event()
        self._unreached = asyncio.Event()
        self._forcing = Forcing()
        self._backoff = Backoff(first_s=config.submit.retry_delay_s)
        self._pushes = 0
        self._policies = config.policies
        self._pause: Pause | None = None
        self._stopping = False
        self._yields = False
        """Whether another process should have the mandate, once what is in flight has landed."""
        self._ready = False

    @property
    def name(self) -> str:
        """What logs and metrics call it."""
        return self._config.submit.network

    @property
    def addressee(self) -> Addressee:
        """Whom orders are for."""
        return Addressee(self.name, self._outside.signer.address)

    @property
    def takes_requests(self) -> bool:
        """Whether a request that is given to it now would be heeded: not while another process sends."""
        return self._ready and self._outside.mandate.status().held

    # What comes in

    def take(self, event: PriceEvent) -> None:
        """New prices."""
        if self._buffer.take(event, self._clock.now()):
            self._news.set()

    def force(self, origin: str, feeds: Collection[FeedId] | None = None, *, by: str = "") -> None:
        """Update these feeds now, or all, whatever their thresholds say; `origin` is `timer`, `signal` or `control`."""
        wanted = self._policies.keys() & (self._policies if feeds is None else feeds)
        if self._pause is not None:
            self._tell(ForceRefused(self.name, origin, len(wanted), by, self._pause))
            return
        self._tell(ForceRequested(self.name, origin, len(wanted), by))
        self._forcing.add(wanted, origin, self._clock.monotonic())
        self._news.set()

    def heed(self, pause: Pause | None) -> None:
        """Plan nothing new while it is paused; what is in flight is seen to its end, with replacements."""
        before, self._pause = self._pause, pause
        if pause is not None and pause != before:
            self._forcing.forget()
            self._tell(PushingPaused(self.name, pause))
        elif pause is None and before is not None:
            self._tell(PushingResumed(self.name, before))
            self._news.set()

    def _stirred(self) -> None:
        """The chain told something."""
        self._submitter.stir()
        self._news.set()

    def adopt(self, policies: Mapping[FeedId, FeedPolicy], aliases: Mapping[FeedId, str]) -> None:
        """Keep these feeds by these policies from now on; new ones once the chain has told what it has of them."""
        self._policies = policies
        self._buffer.want(policies)
        self._view.want(tuple(policies))
        self._governor.adopt(policies)
        self._freshness.adopt(policies)
        self._report.feeds.adopt(aliases)
        self._shadow.aliases = aliases
        self._judge_what_is_known()
        self._upkeep.read_now()
        self._news.set()

    def crashed(self, why: str) -> None:
        """`run` ended where nobody expected it, and is not called again at once."""
        self._ready = False
        self._upkeep.trouble = why

    def stop(self) -> None:
        """Start nothing new; `run` returns once what is in flight has landed."""
        self._stopping = True
        self._news.set()

    # The flow

    async def run(self) -> None:
        """Until `stop`: read the chain, settle what was left, then push whatever falls due.

        Cancelled, it tells what stays in flight. Nothing is sent without the mandate; who waits for it is ready.
        """
        try:
            await self._get_ready()
            async with asyncio.TaskGroup() as tasks:
                beside = [
                    tasks.create_task(self._upkeep.poll_forever(), name=f"poll {self.name}"),
                    tasks.create_task(self._upkeep.ask_fees_forever(), name=f"fees {self.name}"),
                    tasks.create_task(self._resume_forever(), name=f"resume {self.name}"),
                    tasks.create_task(self._vetting.try_forever(), name=f"try sources {self.name}"),
                    tasks.create_task(self._follow(), name=f"follow {self.name}"),
                ]
                if self._config.force_interval_s:
                    beside.append(tasks.create_task(self._force_forever(), name=f"force timer {self.name}"))
                while await self._may_send():
                    await self._send()
                for task in beside:
                    task.cancel()
        finally:
            self._leave_flights()
            await self._outside.mandate.release()

    async def _get_ready(self) -> None:
        """The first read, and the contract's terms by the first real update."""
        delay_s = self._config.submit.retry_delay_s / 8
        while not self._stopping:
            try:
                if self._view.state is None:
                    await self._view.connect()
                    await self._upkeep.read()
                if self._buffer.any() is not None:
                    await self._vetting.try_all()
                    return
                self._upkeep.trouble = "no price has arrived yet"
                await self._await_news(until=self._clock.monotonic() + _LOOK_AGAIN_S)
            except KeeperError as exc:
                self._upkeep.failed(exc)
                await asyncio.sleep(delay_s)
                delay_s = min(2 * delay_s, self._config.submit.retry_delay_s)

    async def _may_send(self) -> bool:
        """Stand by until the mandate is held; False once the keeper is to stop."""
        if self._view.known_chain_id is None or self._stopping:
            return False
        account = Account(self.name, self._view.known_chain_id, self._outside.signer.address)
        gaining = asyncio.create_task(self._outside.mandate.gain(account), name=f"stand by {self.name}")
        gaining.add_done_callback(lambda _: self._news.set())
        try:
            await asyncio.sleep(0)
            while not gaining.done() and not self._stopping:
                self._ready, self._upkeep.trouble = True, ""
                self._assess()
                self._freshness.assess(self._survey())
                await self._pass_on()
                await self._await_news(until=self._clock.monotonic() + _LOOK_AGAIN_S)
            if gaining.done():
                gaining.result()
            return not self._stopping
        finally:
            gaining.cancel()

    async def _pass_on(self) -> None:
        """What is asked of a keeper that stands by is for whoever sends."""
        if self._forcing.feeds:
            request = PushRequest(self._forcing.feeds, self._forcing.origin)
            with suppress(Transient):
                await self._outside.orders.ask(self.addressee, request, self._clock.now())
                self._forcing.forget()

    async def _send(self) -> None:
        """Settle what was left, then push whatever falls due: for as long as the mandate is held and not asked back."""
        self._yields = False
        try:
            async with asyncio.TaskGroup() as tasks:
                watching = [
                    tasks.create_task(self._end_when_lost(), name=f"lost {self.name}"),
                    tasks.create_task(self._yield_when_asked(), name=f"asked back {self.name}"),
                ]
                flights = [self._take_off(tasks, flight) for flight in await self._settled()]
                await self._push_until_stopped(tasks, flights)
                await self._drained()
                for task in (*watching, *flights):
                    task.cancel()
        except* MandateLost:
            self._leave_flights()
        else:
            await self._outside.mandate.release()

    async def _end_when_lost(self) -> Never:
        await self._outside.mandate.lost()
        raise MandateLost(f"{self.name}: another process may send")

    async def _yield_when_asked(self) -> None:
        await self._outside.mandate.asked_back()
        self._yields = True
        self._news.set()

    def _leave_flights(self) -> None:
        """What is in flight stays with the chain and in the journal."""
        for abandoned in self._submitter.abandon():
            self._tell(abandoned)
        self._submitter.forget()
        self._vetting.forget()

    async def _settled(self) -> Sequence[Flight]:
        """What was left in flight, by an earlier process or another one; none where the keeper stops before."""
        delay_s = self._config.submit.retry_delay_s / 8
        while not self._stopping:
            try:
                return await self._recover()
            except KeeperError as exc:
                self._upkeep.failed(exc)
                await asyncio.sleep(delay_s)
                delay_s = min(2 * delay_s, self._config.submit.retry_delay_s)
        return ()

    async def _recover(self) -> Sequence[Flight]:
        await self._view.read()
        recovered = await self._submitter.recover()
        await self._learn_whether_paused()
        now = self._clock.now()
        self._governor.resume(await self._submitter.spent_since(now - now % DAY_S), now)
        self._assess()
        self._pushes = recovered.last_push
        self._ready, self._upkeep.trouble = True, ""
        return recovered.flights

    async def _learn_whether_paused(self) -> None:
        """Where the journal may fail and does, pushes go on: a pause is heeded once it can be read."""
        try:
            standing = await self._outside.orders.look([self.addressee])
        except JournalError:
            if self._outside.journal.degraded:
                return
            raise
        self.heed(standing[self.addressee].pause)

    async def _push_until_stopped(self, tasks: asyncio.TaskGroup, flights: list[asyncio.Task[None]]) -> None:
        while not self._stopping and not self._yields:
            await self._learn_from_failures()
            if self._is_full():
                await self._await_news(until=self._clock.monotonic() + _LOOK_AGAIN_S)
                if self._is_full():
                    self._freshness.assess(self._survey())
                continue
            self._assess()
            survey = self._survey()
            self._freshness.assess(survey)
            self._governor.hold(survey.withheld)
            moment = self._moment(any_due=bool(survey.due) and self._pause is None)
            if moment <= self._clock.monotonic() + _TIMER_GRAIN_S:
                flight = await self._next_flight()
                if flight is not None:
                    flights[:] = [task for task in flights if not task.done()]
                    flights.append(self._take_off(tasks, *flight))
            else:
                if self._upkeep.fees_are_old and self._planner.is_near(survey):
                    self._upkeep.foresee_push()
                await self._await_news(until=moment)

    def _is_full(self) -> bool:
        """Whether what is in flight must land first."""
        most = 1 if self._outside.journal.degraded else self._config.max_in_flight
        return self._submitter.unverified or self._submitter.in_flight >= most

    def _take_off(self, tasks: asyncio.TaskGroup, flight: Flight, plan: Plan | None = None) -> asyncio.Task[None]:
        forced = plan.forced if plan else frozenset()

        def replan() -> Plan | None:
            with self._view.without(flight.push):
                others = self._view.carried_after(flight.push)
                plan, refusal = self._vetting.best(lambda: self._plan(forced | self._forcing.feeds, leaving=others))
            if plan is None or refusal or self._vetting.is_doubtful(plan):
                return None
            self._vetting.carries(flight.push, plan)
            return plan

        flown = self._submitter.fly(flight, replan, plan=plan)
        return tasks.create_task(flown, name=f"push {flight.push} {self.name}")

    async def _drained(self) -> None:
        while self._submitter.in_flight:
            await self._await_news(until=self._clock.monotonic() + _LOOK_AGAIN_S)

    def _survey(self) -> Survey:
        return self._planner.survey(self._clock.now(), self._forcing.feeds)

    def _plan(self, forced: Collection[FeedId], *, leaving: Collection[FeedId] = frozenset()) -> Plan | None:
        return self._planner.plan(self._planner.survey(self._clock.now(), forced, leaving=leaving))

    def _moment(self, *, any_due: bool) -> float:
        """When to push next as things stand, in monotonic seconds; past the next look while no feed is due."""
        now = self._clock.monotonic()
        if any_due:
            return now if self._forcing.feeds else max(self._debounce.moment(now), self._backoff.until)
        if self._forcing.gives_up(now):
            self._tell(NothingToPush(self.name, self._forcing.origin, self._governor.allowance))
        self._debounce.calmed()
        return now + _LOOK_AGAIN_S

    async def _next_flight(self) -> tuple[Flight, Plan] | None:
        """Plan what is due and reserve a nonce for it; None where nothing is to be sent."""
        plan, refusal = await self._vetting.sound(lambda: self._plan(self._forcing.feeds), wary=self._backoff.reverted)
        if plan is None or self._pause is not None:
            return None
        self._forcing.planned(plan)
        if plan.complete:
            self._debounce.pushed(self._clock.monotonic())
        self._pushes += 1
        self._tell(
            PushPlanned(
                network=self.name,
                push=self._pushes,
                feeds=plan.feeds,
                gas=plan.gas_limit,
                update_fee=plan.value,
                dry_run=self._config.dry_run,
            )
        )
        if self._config.dry_run:
            self._view.pretend(plan.prices)
            self._shadow.pretended(plan)
        elif refusal:
            self._push_ended(dropped(self.name, self._pushes, plan, refusal))
        else:
            self._vetting.carries(self._pushes, plan)
            return self._submitter.reserve(self._pushes, plan), plan
        return None

    def _assess(self) -> None:
        """How freely to spend decides which policies are in force, and how often the chain is read."""
        before = self._governor.look_again_s
        self._governor.assess(self._clock.now())
        if self._governor.look_again_s != before:
            self._upkeep.hurry()
            self._backoff.end()
        self._judge_what_is_known()

    def _judge_what_is_known(self) -> None:
        """By the policies in force, all feeds but those of which the chain was not asked yet."""
        policies, unread = self._governor.policies, self._view.unread
        self._planner.policies = {at: policies[at] for at in policies if at not in unread} if unread else policies

    def _push_ended(self, finished: PushFinished) -> None:
        self._backoff.note(finished.outcome, self._clock.monotonic())
        self._tell(finished)
        self._vetting.ended(finished)
        failures = self._ledger.consecutive_failures
        if finished.outcome in FAILURES and failures == MAX_CONSECUTIVE_FAILURES:
            self._tell(FailingRepeatedly(self.name, failures, self._ledger.last_failure))
        if finished.outcome is Outcome.FAILED:
            self._unreached.set()
        self._news.set()

    async def _learn_from_failures(self) -> None:
        """Where a push failed because of its source, the next source's turn comes at once."""
        for plan in await self._vetting.failed_by_their_sources():
            self._backoff.forgive()
            self._debounce.undone()
            self._forcing.add(plan.forced, self._forcing.origin, self._clock.monotonic())

    # Beside the flow

    async def _follow(self) -> None:
        """By subscription, where that is offered and wanted; the polls go on in any case."""
        if not self._config.polls_only:
            await self._outside.chain.follow(self._follower)
        self._upkeep.tell_mode()

    async def _resume_forever(self) -> Never:
        """A push that no endpoint took is made up for as soon as one answers again, not when its backoff is over."""
        while True:
            await self._unreached.wait()
            self._unreached.clear()
            await self._outside.chain.recovered()
            self._backoff.end()
            self._news.set()

    async def _force_forever(self) -> Never:
        """Counted from the start: no burst at boot."""
        while True:
            await asyncio.sleep(self._config.force_interval_s)
            if self._outside.mandate.status().held:
                self.force("timer")

    async def _await_news(self, *, until: float) -> None:
        """Sleep until prices or orders arrive, or the moment (monotonic seconds) has come."""
        self._news.clear()
        try:
            async with asyncio.timeout(until - self._clock.monotonic()):
                await self._news.wait()
        except TimeoutError:
            return

    def _tell(self, event: Event) -> None:
        now = self._clock.now()
        self._ledger.take(event, now)
        self._governor.take(event, now)
        self._outside.emit(event)

    def status(self) -> NetworkStatus:
        """Everything about this network as of now."""
        status = replace(self._report.status(ready=self._ready), pause=self._pause)
        return replace(status, shadow=self._shadow.status()) if self._config.dry_run else status
