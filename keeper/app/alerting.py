"""Alerts of the keeper itself, as the settings say."""

import logging
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Never

from keeper.alerts.desk import Message, Stage
from keeper.alerts.watch import AlertWatch
from keeper.alerts.webhook import Webhook
from keeper.app.clock import SystemClock
from keeper.app.redaction import Redactor
from keeper.app.settings import Settings
from keeper.app.supervising import going_on
from keeper.domain.errors import UsageError
from keeper.domain.status import KeeperStatus
from keeper.ports import Clock


def webhook(settings: Settings, redactor: Redactor) -> Webhook | None:
    """Where alerts go; None where nobody wants them."""
    endpoint = settings.alert_webhook
    if endpoint is None:
        return None
    return Webhook(
        endpoint.url.get_secret_value(), sender=settings.pod_name or socket.gethostname(), clean=redactor.clean
    )


class Alerting:
    """The watch and its post, or nothing at all."""

    def __init__(self, settings: Settings, *, clock: Clock, redactor: Redactor) -> None:
        self._post = webhook(settings, redactor)
        self._watch = AlertWatch(self._post, clock=clock, repeat_s=settings.alert_repeat_s) if self._post else None

    @property
    def listeners(self) -> tuple[AlertWatch, ...]:
        """Of events."""
        return () if self._watch is None else (self._watch,)

    def tasks(self, status: Callable[[], KeeperStatus]) -> dict[str, Callable[[], Coroutine[None, None, Never]]]:
        """What runs beside the keeper, by name."""
        watch, post = self._watch, self._post
        if watch is None or post is None:
            return {}
        return {
            "alert watch": lambda: going_on("alerts", lambda: watch.run(status)),
            "alert webhook": lambda: going_on("posts of alerts", post.run),
        }

    @asynccontextmanager
    async def hearing(self) -> AsyncIterator[None]:
        """Critical lines that are no events are told as well, until the block ends; then what waits is posted."""
        logger = logging.getLogger("keeper.app.runtime")
        if self._watch is None:
            yield
            return
        logger.addHandler(self._watch)
        try:
            yield
        finally:
            logger.removeHandler(self._watch)
            if self._post is not None:
                await self._post.flush()


async def post_test(settings: Settings) -> str:
    """Post a message that says it is a test; its text. Raises KeeperError where it is not taken."""
    post = webhook(settings, Redactor(settings.secrets()))
    if post is None:
        raise UsageError("there is no webhook to test: set ALERT_WEBHOOK_URL or ALERT_WEBHOOK_URL_FILE")
    text = "this is how an alert of this keeper arrives"
    await post.post_once(Message(Stage.TEST, "Test", "", text, SystemClock().now()))
    return text
