"""How one Hermes endpoint is used."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from keeper.domain.accumulator import Update, decode
from keeper.domain.errors import KeeperError
from keeper.domain.status import SourceState
from keeper.domain.units import FeedId
from keeper.hermes.failure import SourceFailure

Decode: TypeAlias = Callable[[bytes], Update]
"""How update data become an update; raises nothing but InvalidUpdate."""


class HermesMode(StrEnum):
    """What several endpoints are for."""

    ALL = "all"
    """All are streamed at once, and the newest price wins."""
    STANDBY = "standby"
    """Each is only asked while those before it do not deliver."""


def no_key() -> str:
    """No API key."""
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How long the source waits for what, in seconds."""

    silence_s: float = 3.0
    """A stream without an event for so long is dead, whatever else arrives on its connection."""
    poll_after_quiet_s: float = 0.8
    """A poll fills in when an open stream has been without an event for so long."""
    poll_after_loss_s: float = 0.2
    """Polling begins so long after a loss, unless the stream is back by then."""
    connect_timeout_s: float = 10.0
    poll_timeout_s: float = 3.0
    backoff_s: float = 1.0
    """Before the third attempt to connect; the second follows the first at once. Doubles from there."""
    backoff_cap_s: float = 10.0
    stable_s: float = 10.0
    """A stream that lasted so long starts a new count of attempts."""
    slow_retry_s: float = 30.0
    """Between requests that are refused for what they are (wrong key, unknown feeds, wrong URL), and renewals."""
    rotation_s: float = 23 * 3600.0
    """Age at which a connection is replaced; the server ends it at 24 h."""
    key_look_s: float = 1.0
    """How often the API key is looked at while requests are refused: another one is used at once."""
    refused_feeds_retry_s: float = 600.0
    """How often feeds that were refused by name are asked for again."""
    stand_down_s: float = 5.0
    """A source that stands in for another one goes on for so long after that one is back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HermesConfig:
    """One endpoint and what is wanted from it. Neither its URL nor its key shows in its repr."""

    name: str
    """What logs, events and status call it: the URL may hold a key."""
    url: str = field(repr=False)
    """Up to where `/v2` begins, so with any path prefix."""
    feeds: tuple[FeedId, ...]
    api_key: Callable[[], str] = field(default=no_key, repr=False)
    """Asked before every request, so that a key file may change; empty for no key."""
    feeds_per_connection: int = 500
    """Servers cap a URI near 64 KB, which is about 870 feeds."""
    polls_per_window: int = 5
    poll_window_s: float = 10.0
    timing: Timing = field(default_factory=Timing)
    decode: Decode = field(default=decode, repr=False)

    def key(self) -> str | None:
        """The API key as of now, empty for none; None while it cannot be read."""
        try:
            return self.api_key().strip()
        except (OSError, KeeperError):
            return None

    def headers(self) -> dict[str, str]:
        """Headers of a request; raises SourceFailure when the key cannot be read."""
        key = self.key()
        if key is None:
            problem = "the Hermes API key cannot be read; check HERMES_API_KEY_FILE"
            raise SourceFailure(problem, state=SourceState.UNAUTHORIZED, refused=True)
        headers = {"Accept-Encoding": "identity"}
        return headers | {"Authorization": f"Bearer {key}"} if key else headers
