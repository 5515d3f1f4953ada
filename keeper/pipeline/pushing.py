"""One push: whether there is room for it, when its moment has come, what it carries, and its way into the air."""

import asyncio
from collections.abc import Collection

from keeper.domain.events import NothingToPush, PushPlanned
from keeper.domain.plan import Plan
from keeper.domain.transaction import Flight
from keeper.domain.units import FeedId
from keeper.pipeline.accounting import dropped
from keeper.pipeline.parts import Parts
from keeper.pipeline.planner import Survey

LOOK_AGAIN_S = 1.0
"""Feeds fall due by time as well: judged at least this often, events or none."""


class Pushing:
    """Decides on the pushes of one network, and lets them go."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self.pushes = 0
        """Number of the latest one."""

    def assess(self) -> None:
        """How freely to spend decides which policies are in force, and how often the chain is read."""
        parts = self._parts
        before = parts.governor.look_again_s
        parts.governor.assess(parts.clock.now())
        if parts.governor.look_again_s != before:
            parts.upkeep.hurry()
            parts.backoff.end()
        self.judge_what_is_known()

    def judge_what_is_known(self) -> None:
        """By the policies in force, all feeds but those of which the chain was not asked yet."""
        policies, unread = self._parts.governor.policies, self._parts.view.unread
        self._parts.planner.policies = {at: policies[at] for at in policies if at not in unread} if unread else policies

    def survey(self) -> Survey:
        """What is due as things stand."""
        return self._parts.planner.survey(self._parts.clock.now(), self._parts.forcing.feeds)

    def watch_freshness(self) -> Survey:
        """The same, and the books on how long each feed was out of policy go on."""
        survey = self.survey()
        self._parts.freshness.assess(survey)
        return survey

    @property
    def is_full(self) -> bool:
        """Whether what is in flight must land first."""
        parts = self._parts
        most = 1 if parts.outside.journal.degraded else parts.config.max_in_flight
        return parts.submitter.unverified or parts.submitter.in_flight >= most

    def moment(self, *, any_due: bool) -> float:
        """When to push next as things stand, in monotonic seconds; past the next look while no feed is due."""
        parts, now = self._parts, self._parts.clock.monotonic()
        if any_due:
            return now if parts.forcing.feeds else max(parts.debounce.moment(now), parts.backoff.until)
        if parts.forcing.gives_up(now):
            parts.tell(NothingToPush(parts.name, parts.forcing.origin, parts.governor.allowance))
        parts.debounce.calmed()
        return now + LOOK_AGAIN_S

    async def next_flight(self) -> tuple[Flight, Plan] | None:
        """Plan what is due and reserve a nonce for it; None where nothing is to be sent."""
        parts = self._parts
        plan, refusal = await parts.vetting.sound(lambda: self._plan(parts.forcing.feeds), wary=parts.backoff.reverted)
        if plan is None or parts.pause is not None:
            return None
        parts.forcing.planned(plan)
        if plan.complete:
            parts.debounce.pushed(parts.clock.monotonic())
        self.pushes += 1
        parts.tell(
            PushPlanned(
                network=parts.name,
                push=self.pushes,
                feeds=plan.feeds,
                gas=plan.gas_limit,
                update_fee=plan.value,
                dry_run=parts.config.dry_run,
                slots=tuple(part.update.slot for part in plan.parts),
            )
        )
        if parts.config.dry_run:
            parts.view.pretend(plan.prices)
            parts.shadow.pretended(plan)
        elif refusal:
            parts.push_ended(dropped(parts.name, self.pushes, plan, refusal))
        else:
            parts.vetting.carries(self.pushes, plan)
            return parts.submitter.reserve(self.pushes, plan), plan
        return None

    def take_off(self, tasks: asyncio.TaskGroup, flight: Flight, plan: Plan | None = None) -> asyncio.Task[None]:
        """A task that sees the flight to its end; `plan` is what its first attempt carries."""
        parts, forced = self._parts, plan.forced if plan else frozenset()

        def replan() -> Plan | None:
            with parts.view.without(flight.push):
                others = parts.view.carried_after(flight.push)
                plan, refusal = parts.vetting.best(lambda: self._plan(forced | parts.forcing.feeds, leaving=others))
            if plan is None or refusal or parts.vetting.is_doubtful(plan):
                return None
            parts.vetting.carries(flight.push, plan)
            return plan

        flown = parts.submitter.fly(flight, replan, plan=plan)
        return tasks.create_task(flown, name=f"push {flight.push} {parts.name}")

    def _plan(self, forced: Collection[FeedId], *, leaving: Collection[FeedId] = frozenset()) -> Plan | None:
        planner = self._parts.planner
        return planner.plan(planner.survey(self._parts.clock.now(), forced, leaving=leaving))

    async def learn_from_failures(self) -> None:
        """Where a push failed because of its source, the next source's turn comes at once."""
        parts = self._parts
        for plan in await parts.vetting.failed_by_their_sources():
            parts.backoff.forgive()
            parts.debounce.undone()
            parts.forcing.add(plan.forced, parts.forcing.origin, parts.clock.monotonic())
