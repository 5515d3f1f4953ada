"""Posts messages to a webhook: one after the other, each until it is taken, and nobody ever waits for that."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Never

import aiohttp

from keeper.alerts.desk import Message, Stage
from keeper.domain.errors import Rejected, Transient

log = logging.getLogger(__name__)

_WAITING = 100
"""Messages that wait to be posted; one more lets the oldest go."""
_FLUSH_S = 3.0
_SERVICE = "pyth-keeper"
_HEADS = {Stage.FIRING: "CRITICAL", Stage.RESOLVED: "RESOLVED", Stage.HAPPENED: "CRITICAL", Stage.TEST: "TEST"}
_AGAIN = {408, 425, 429}


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a post may take, and how often it is tried, in seconds."""

    answer_s: float = 10.0
    first_pause_s: float = 1.0
    longest_pause_s: float = 60.0
    tries: int = 20
    """Pauses double, so these last for about a quarter of an hour."""


class Webhook:
    """Takes a JSON object with `text`, as Slack and its likes do; further fields are for machines."""

    def __init__(self, url: str, *, sender: str, clean: Callable[[str], str], patience: Patience | None = None) -> None:
        """`sender` tells one keeper from another; `clean` takes secrets out of texts. The URL is never shown."""
        self._url = url
        self._sender = sender
        self._clean = clean
        self._patience = patience or Patience()
        self._waiting: deque[Message] = deque()
        self._posting: Message | None = None
        self._lost = 0
        self._something = asyncio.Event()

    def put(self, message: Message) -> None:
        """Have it posted; never waits."""
        if len(self._waiting) == _WAITING:
            self._waiting.popleft()
            self._lost += 1
        self._waiting.append(message)
        self._something.set()

    async def run(self) -> Never:
        """Post what comes, for ever."""
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
            while True:
                while self._waiting:
                    self._posting, lost, self._lost = self._waiting.popleft(), self._lost, 0
                    await self._deliver(session, self._posting, lost)
                    self._posting = None
                self._something.clear()
                await self._something.wait()

    async def flush(self) -> None:
        """Try once more what was not posted when `run` ended, for a bounded time."""
        left = [message for message in (self._posting, *self._waiting) if message is not None]
        with suppress(TimeoutError):
            async with asyncio.timeout(_FLUSH_S):
                for message in left:
                    try:
                        await self.post_once(message)
                    except (Rejected, Transient) as exc:
                        self._gave_up(message, str(exc))

    async def post_once(self, message: Message) -> None:
        """Post it now; raises Transient or Rejected where it is not taken."""
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
            await self._post(session, message, lost=0)

    async def _deliver(self, session: aiohttp.ClientSession, message: Message, lost: int) -> None:
        """Try until it is taken or there is no sense in trying on."""
        pause_s = self._patience.first_pause_s
        for left in reversed(range(self._patience.tries)):
            try:
                await self._post(session, message, lost=lost)
            except Rejected as exc:
                self._gave_up(message, str(exc))
                return
            except Transient as exc:
                if not left:
                    self._gave_up(message, str(exc))
                    return
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, self._patience.longest_pause_s)
            else:
                return

    async def _post(self, session: aiohttp.ClientSession, message: Message, *, lost: int) -> None:
        timeout = aiohttp.ClientTimeout(total=self._patience.answer_s)
        try:
            async with session.post(
                self._url, json=self._body(message, lost), timeout=timeout, allow_redirects=False
            ) as response:
                status = response.status
        except TimeoutError:
            raise Transient(f"the webhook does not answer within {self._patience.answer_s:g} s") from None
        except (aiohttp.ClientError, OSError) as exc:
            raise Transient(f"the webhook cannot be reached ({type(exc).__name__})") from None
        except ValueError:
            raise Rejected("the webhook has no address that can be looked up: check ALERT_WEBHOOK_URL") from None
        if status >= 500 or status in _AGAIN:
            raise Transient(f"the webhook answers HTTP {status}")
        if status >= 300:
            raise Rejected(f"the webhook refuses the message (HTTP {status}): check ALERT_WEBHOOK_URL")

    def _body(self, message: Message, lost: int) -> dict[str, object]:
        text = self._clean(f"{_HEADS[message.stage]} {self._sender}: {message.text}")
        body: dict[str, object] = {
            "text": f"{text} (before it {lost} messages were lost)" if lost else text,
            "service": _SERVICE,
            "keeper": self._sender,
            "alert": message.alert,
            "status": message.stage.value,
            "subject": message.subject,
            "since": round(message.since, 3),
        }
        return body

    def _gave_up(self, message: Message, why: str) -> None:
        text = f"an alert could not be posted ({message.alert}): {why}"
        log.error("alert_lost", extra={"text": text, "fields": {"alert": message.alert, "why": why}})
