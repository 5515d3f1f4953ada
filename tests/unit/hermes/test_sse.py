"""One connection: what keeps it open and what ends it, in virtual time."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NoReturn, cast

import aiohttp
import pytest
from aiohttp.http_exceptions import LineTooLong
from yarl import URL

from keeper.domain.errors import UsageError
from keeper.domain.status import SourceState
from keeper.hermes.config import HermesConfig, Timing
from keeper.hermes.failure import SourceFailure
from keeper.hermes.sse import listen
from tests.support.fake_hermes import now
from tests.support.market import FEEDS

Lines = AsyncIterator[bytes]

pytestmark = pytest.mark.looptime


class Response:
    """An open stream whose lines the test writes."""

    status = 200
    content_type = "text/event-stream"
    real_url = URL("http://hermes.test")

    def __init__(self, lines: Lines) -> None:
        self.content = lines
        self.closed = False

    def close(self) -> None:
        self.closed = True


class Session:
    """Answers every request with one response."""

    def __init__(self, lines: Lines, *, connect_s: float = 0.0) -> None:
        self.response = Response(lines)
        self.requests: list[dict[str, Any]] = []
        self.refuses = False
        self._connect_s = connect_s

    async def request(self, method: str, url: URL, **options: Any) -> Response:
        self.requests.append({"method": method, "url": url, **options})
        await asyncio.sleep(self._connect_s)
        if self.refuses:
            raise aiohttp.ClientConnectionError
        check: Callable[[Response], Awaitable[None]] = options["raise_for_status"]
        await check(self.response)
        return self.response


class Ears:
    """A listener that takes `dud` for an event without prices."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.problems: list[str] = []

    def on_data(self, data: str) -> bool:
        self.heard.append(data)
        return data != "dud"

    def on_problem(self, problem: str) -> None:
        self.problems.append(problem)


def config(**changes: Any) -> HermesConfig:
    return HermesConfig(**{"name": "hermes.test", "url": "http://hermes.test", "feeds": FEEDS[:1]} | changes)


async def failure_of(session: Session, ears: Ears, settings: HermesConfig | None = None) -> SourceFailure:
    """How listening ends."""
    with pytest.raises(SourceFailure) as failed:
        await listen(cast("aiohttp.ClientSession", session), settings or config(), FEEDS[:1], ears)
    return failed.value


async def every(interval_s: float, lines: bytes, *, times: int) -> Lines:
    """The same lines again and again, then the end."""
    for _ in range(times):
        await asyncio.sleep(interval_s)
        for line in lines.splitlines(keepends=True):
            yield line


async def test_hands_on_events_with_and_without_a_space_after_the_colon() -> None:
    ears = Ears()
    await failure_of(
        Session(every(0.1, b":\n\ndata:one\n\ndata: two\n\n: note\r\n\r\ndata:three\r\n\r\n", times=1)), ears
    )
    assert ears.heard == ["one", "two", "three"]


async def test_a_stream_that_delivers_has_no_time_limit() -> None:
    ears = Ears()
    session = Session(every(2.9, b"data:x\n\n", times=1000))
    failure = await failure_of(session, ears)
    assert failure.state is SourceState.DOWN
    assert len(ears.heard) == 1000
    timeout: aiohttp.ClientTimeout = session.requests[0]["timeout"]
    assert (timeout.total, timeout.sock_read) == (None, None)


async def test_its_end_is_told_at_once_and_nothing_is_requested_again() -> None:
    session = Session(every(1.0, b"retry:60000\ndata:x\n\n", times=1))
    failure = await failure_of(session, Ears())
    assert "ended" in str(failure)
    assert now() == 1.0
    assert len(session.requests) == 1
    assert session.response.closed


async def test_a_refused_connection_is_told_at_once_and_not_tried_again() -> None:
    session = Session(every(0.1, b"", times=1))
    session.refuses = True
    await failure_of(session, Ears())
    assert (now(), len(session.requests)) == (0.0, 1)


async def test_keep_alives_do_not_keep_a_stream_without_events() -> None:
    failure = await failure_of(Session(every(0.5, b":\n\n", times=1000)), Ears())
    assert failure.state is SourceState.SILENT
    assert now() == 3.0


async def test_events_without_prices_do_not_keep_a_stream() -> None:
    failure = await failure_of(Session(every(0.5, b"data:dud\n\n", times=1000)), Ears())
    assert failure.state is SourceState.SILENT


async def test_an_event_that_never_ends_does_not_keep_a_stream() -> None:
    failure = await failure_of(Session(every(0.1, b"data:x\n", times=1000)), Ears())
    assert failure.state is SourceState.SILENT


async def test_the_silence_that_is_borne_is_configurable() -> None:
    await failure_of(Session(every(0.5, b":\n\n", times=1000)), Ears(), config(timing=Timing(silence_s=20.0)))
    assert now() == 20.0


async def test_connecting_has_a_limit_of_its_own() -> None:
    session = Session(every(0.1, b"data:x\n\n", times=1), connect_s=99.0)
    failure = await failure_of(session, Ears(), config(timing=Timing(connect_timeout_s=7.0)))
    assert failure.state is SourceState.DOWN
    assert now() == 7.0


@pytest.mark.parametrize("text", [b"Connection timeout reached (24h)", b"Slow consumer: disconnected"])
async def test_an_error_event_may_end_the_stream(text: bytes) -> None:
    await failure_of(Session(every(1.0, b"event:error\ndata:" + text + b"\n\n", times=9)), Ears())
    assert now() == 1.0


async def test_an_error_event_may_leave_the_stream_open() -> None:
    ears = Ears()
    await failure_of(Session(every(1.0, b"event:error\ndata:Error receiving update: x\n\ndata:y\n\n", times=2)), ears)
    assert ears.heard == ["y", "y"]
    assert len(ears.problems) == 2


@pytest.mark.parametrize(
    "error", [LineTooLong(b"x"), aiohttp.ClientPayloadError("x"), ConnectionResetError(104, "x")], ids=repr
)
async def test_a_stream_that_breaks_is_a_failure(error: Exception) -> None:
    async def breaking() -> Lines:
        yield b"data:x\n"
        raise error

    session = Session(breaking())
    await failure_of(session, Ears())
    assert session.response.closed


async def test_bytes_that_are_no_text_are_a_failure() -> None:
    failure = await failure_of(Session(every(0.1, b"data:\xff\xfe\n\n", times=1)), Ears())
    assert "not text" in str(failure)


async def test_asks_for_an_uncompressed_stream_with_the_key_of_the_moment() -> None:
    keys = iter(["first\n", "second\n"])
    settings = config(api_key=lambda: next(keys))
    headers = []
    for _ in range(2):
        session = Session(every(0.1, b"data:x\n\n", times=1))
        await failure_of(session, Ears(), settings)
        headers.append(session.requests[0]["headers"])
    assert [each["Authorization"] for each in headers] == ["Bearer first", "Bearer second"]
    assert headers[0]["Accept-Encoding"] == "identity"
    assert headers[0]["Accept"] == "text/event-stream"


async def test_sends_no_authorization_without_a_key() -> None:
    session = Session(every(0.1, b"data:x\n\n", times=1))
    await failure_of(session, Ears())
    assert "Authorization" not in session.requests[0]["headers"]


async def test_a_key_that_cannot_be_read_is_a_failure() -> None:
    def unreadable() -> NoReturn:
        raise UsageError("no such file")

    failure = await failure_of(Session(every(0.1, b"", times=1)), Ears(), config(api_key=unreadable))
    assert (failure.state, failure.refused) == (SourceState.UNAUTHORIZED, True)


async def test_the_library_beneath_logs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    await failure_of(Session(every(0.1, b"retry:x\ndata:x\n\n", times=1)), Ears(), config(api_key=lambda: "s3cret"))
    assert [record for record in caplog.records if record.name.startswith("aiohttp_sse_client")] == []


def test_neither_url_nor_key_show_in_the_repr_of_the_config() -> None:
    shown = repr(config(url="http://hermes.test/s3cret", api_key=lambda: "s3cret"))
    assert "s3cret" not in shown
    assert "hermes.test" in shown
