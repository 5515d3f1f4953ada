"""What the control route can do: one class for each action, its fields checked before anything happens."""

from decimal import Decimal
from typing import Annotated, Literal, get_args

import msgspec

from keeper.domain.errors import UsageError
from keeper.lab.hermes.faults import Refusal, Routes, Throttle
from keeper.lab.hermes.garbage import Garbage
from keeper.lab.hermes.limits import RateLimit
from keeper.lab.hermes.publisher import Publisher
from keeper.lab.hermes.wire import CONNECTION_TIMEOUT, SLOW_CONSUMER

_DelayMs = Annotated[int, msgspec.Meta(ge=0, le=10_000)]
_VolatilityPpm = Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]
_ShiftSeconds = Annotated[int, msgspec.Meta(ge=-(10**9), le=10**9)]
_RetrySeconds = Annotated[int, msgspec.Meta(ge=0, le=3600)]
_LineBytes = Annotated[int, msgspec.Meta(ge=1, le=64 * 2**20)]
_Text = Annotated[str, msgspec.Meta(pattern=r"^[^\r\n]*$", max_length=1000)]
_Key = Annotated[str, msgspec.Meta(min_length=1, max_length=1000)]


class _Action(msgspec.Struct, tag_field="action", forbid_unknown_fields=True, kw_only=True):
    """A JSON object whose `action` names the class; `apply` carries it out."""


class _Publish(_Action, tag="publish"):
    """Make a slot at once."""

    def apply(self, publisher: Publisher) -> None:
        publisher.publish()


class _Jump(_Action, tag="jump"):
    """Move one feed."""

    feed: str
    percent: Decimal | None = None
    price: Decimal | None = None
    now: bool = True

    def apply(self, publisher: Publisher) -> None:
        publisher.jump(self.feed, percent=self.percent, price=self.price, now=self.now)


class _Volatility(_Action, tag="volatility"):
    """Change the step of the random walks."""

    ppm: _VolatilityPpm
    feeds: list[str] | None = None

    def apply(self, publisher: Publisher) -> None:
        publisher.market.set_volatility(self.ppm, self.feeds)


class _Drop(_Action, tag="drop"):
    """Reset every stream's connection."""

    def apply(self, publisher: Publisher) -> None:
        publisher.drop_streams()


class _End(_Action, tag="end"):
    """End every stream cleanly, with an error event if one is named."""

    error: Literal["timeout", "slow_consumer"] | None = None

    def apply(self, publisher: Publisher) -> None:
        publisher.end_streams({"timeout": CONNECTION_TIMEOUT, "slow_consumer": SLOW_CONSUMER, None: None}[self.error])


class _Error(_Action, tag="error"):
    """Send an error event that ends nothing."""

    message: _Text

    def apply(self, publisher: Publisher) -> None:
        publisher.report_error(self.message)


class _Refuse(_Action, tag="refuse"):
    """Refuse new requests."""

    how: Refusal | None
    routes: Routes = "stream"

    def apply(self, publisher: Publisher) -> None:
        publisher.faults.refuse, publisher.faults.refuse_routes = self.how, self.routes


class _Silence(_Action, tag="silence"):
    """Send keep-alives only."""

    on: bool = True

    def apply(self, publisher: Publisher) -> None:
        publisher.faults.silent = self.on


class _Spoil(_Action, tag="garbage"):
    """Spoil every event and answer."""

    kind: Garbage | None
    line_bytes: _LineBytes = 8 * 2**20

    def apply(self, publisher: Publisher) -> None:
        publisher.faults.garbage, publisher.faults.garbage_line_bytes = self.kind, self.line_bytes


class _Freeze(_Action, tag="freeze"):
    """Let publish times stand still."""

    on: bool = True
    feeds: list[str] | None = None

    def apply(self, publisher: Publisher) -> None:
        for state in publisher.market.select(self.feeds):
            state.frozen = self.on


class _Shift(_Action, tag="shift"):
    """Set publish times off from the clock."""

    seconds: _ShiftSeconds
    feeds: list[str] | None = None

    def apply(self, publisher: Publisher) -> None:
        for state in publisher.market.select(self.feeds):
            state.shift_s = self.seconds


class _Delay(_Action, tag="delay"):
    """Deliver late."""

    stream_ms: _DelayMs = 0
    latest_ms: _DelayMs = 0

    def apply(self, publisher: Publisher) -> None:
        publisher.faults.stream_delay_ms, publisher.faults.latest_delay_ms = self.stream_ms, self.latest_ms


class _ApiKey(_Action, tag="api_key"):
    """Want another key, or none."""

    key: _Key | None

    def apply(self, publisher: Publisher) -> None:
        publisher.faults.api_key = self.key


class _Deny(_Action, tag="deny"):
    """Let the key cover all feeds but these."""

    feeds: list[str]

    def apply(self, publisher: Publisher) -> None:
        publisher.market.deny(self.feeds)


class _Limit(_Action, tag="throttle"):
    """Answer 429: never, beyond the rate limit, or always."""

    mode: Throttle
    retry_after_s: _RetrySeconds | None = None

    def apply(self, publisher: Publisher) -> None:
        publisher.faults.throttle, publisher.faults.retry_after_s = self.mode, self.retry_after_s
        publisher.faults.rate_limit = RateLimit()


class _Remove(_Action, tag="remove"):
    """Take feeds out of service without a word."""

    feeds: list[str]
    on: bool = True

    def apply(self, publisher: Publisher) -> None:
        for state in publisher.market.select(self.feeds):
            state.removed = self.on


class _Forge(_Action, tag="forge"):
    """Sign with keys that no contract trusts."""

    on: bool = True

    def apply(self, publisher: Publisher) -> None:
        publisher.faults.forged = self.on


class _SplitSlots(_Action, tag="split_slots"):
    """Serve every second feed of `/latest` from the slot before."""

    on: bool = True

    def apply(self, publisher: Publisher) -> None:
        publisher.faults.split_slots = self.on


class _Reset(_Action, tag="reset"):
    """Back to normal."""

    def apply(self, publisher: Publisher) -> None:
        publisher.reset()


Action = (
    _Publish | _Jump | _Volatility | _Drop | _End | _Error | _Refuse | _Silence | _Spoil | _Freeze | _Shift | _Delay
    | _ApiKey | _Deny | _Limit | _Remove | _Forge | _SplitSlots | _Reset
)  # fmt: skip

ACTIONS = tuple(str(action.__struct_config__.tag) for action in get_args(Action))


def parse_action(request: object) -> Action:
    """The action that a JSON object asks for; raises UsageError naming what is wrong with it."""
    if not isinstance(request, dict) or request.get("action") not in ACTIONS:
        raise UsageError(f'give an object such as {{"action": "drop"}}; the actions are {", ".join(ACTIONS)}')
    try:
        action: Action = msgspec.convert(request, type=Action)
    except msgspec.ValidationError as exc:
        raise UsageError(f"{request['action']}: {exc}") from exc
    return action
