"""Looks at the keeper and listens to what happens, and has told what is critical."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from typing import Never

from keeper.alerts.conditions import Condition, conditions
from keeper.alerts.desk import Desk, Message
from keeper.alerts.webhook import Webhook
from keeper.domain.events import Event, JournalFailed, JournalRecovered, LeadershipLost, PushFinished
from keeper.domain.status import KeeperStatus
from keeper.domain.transaction import Outcome
from keeper.ports import Clock

_LOOK_EVERY_S = 5.0
_FOR_GOOD = {Outcome.REVERTED, Outcome.DROPPED, Outcome.SUPERSEDED, Outcome.FAILED}


class AlertWatch(logging.Handler):
    """A listener to events, a handler of logs for critical lines that are no events, and a look every few seconds."""

    def __init__(self, webhook: Webhook, *, clock: Clock, repeat_s: float) -> None:
        super().__init__(logging.CRITICAL)
        self._webhook = webhook
        self._clock = clock
        self._desk = Desk(repeat_s=repeat_s)
        self._journal_failure = ""

    def __call__(self, event: Event) -> None:
        """Never waits and never raises."""
        match event:
            case JournalFailed(error=error):
                self._journal_failure = error
            case JournalRecovered():
                self._journal_failure = ""
            case PushFinished(outcome=outcome) if outcome in _FOR_GOOD:
                text = f"push {event.push} on {event.network} was {outcome.value} for good: {event.detail}"
                self._happened("PushFailed", event.network, text)
            case LeadershipLost(planned=False):
                text = f"this keeper has lost the lead for {event.network} unasked: {event.why}"
                self._happened("LeadershipLost", event.network, text)
            case _:
                pass

    def emit(self, record: logging.LogRecord) -> None:
        """A line that says that a part of the keeper itself has failed."""
        fields = getattr(record, "fields", {})
        text = str(getattr(record, "text", record.getMessage()))
        self._happened(record.getMessage(), str(fields.get("network", fields.get("task", ""))), text)

    async def run(self, status: Callable[[], KeeperStatus]) -> Never:
        """Look, for ever."""
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            now = self._clock.now()
            for message in self._desk.look(self._holding(status()), now):
                self._webhook.put(message)

    def _holding(self, status: KeeperStatus) -> Iterator[Condition]:
        yield from conditions(status)
        if self._journal_failure:
            yield Condition("JournalFailed", "", f"the journal fails: {self._journal_failure}")

    def _happened(self, alert: str, subject: str, text: str) -> None:
        message: Message | None = self._desk.happened(alert, subject, text, self._clock.now())
        if message is not None:
            self._webhook.put(message)
