"""Makes one slot after the other, and gives each consumer its part of it."""

from collections import deque
from collections.abc import Callable
from decimal import Decimal

from keeper.lab.hermes.config import SimulatorConfig
from keeper.lab.hermes.faults import Faults
from keeper.lab.hermes.garbage import spoil
from keeper.lab.hermes.market import Market
from keeper.lab.hermes.queries import PriceQuery
from keeper.lab.hermes.signers import SignerSet, impostor_keys
from keeper.lab.hermes.streams import Stream
from keeper.lab.hermes.updates import SignedSlot
from keeper.lab.hermes.wire import NO_UPDATE, Encoding, data_event, error_event, price_update

_PYTHNET_SLOT_MS = 400
_KEPT_BODIES = 256


class Publisher:
    """The market, its signers, the connected streams, and what is wrong with them on purpose."""

    def __init__(self, config: SimulatorConfig, *, clock: Callable[[], float]) -> None:
        """`clock` tells Unix seconds. Raises UsageError for a bad setting."""
        self._config = config
        self._clock = clock
        self.market = Market(config, now_s=int(clock()))
        self.signers = SignerSet(config.signer_keys, quorum=config.quorum, set_index=config.signer_set_index)
        self._impostors = SignerSet(
            impostor_keys(len(config.signer_keys)), quorum=config.quorum, set_index=config.signer_set_index
        )
        self.streams: set[Stream] = set()
        self._slot = int(clock() * 1000) // _PYTHNET_SLOT_MS
        self._slots: deque[SignedSlot] = deque(maxlen=2)
        self._bodies: dict[tuple[tuple[int, ...], Encoding, bool, bool], bytes] = {}
        self.reset()

    def reset(self) -> None:
        """Back to how the server was set up; prices stay where they are."""
        config = self._config
        self.faults = Faults(api_key=config.api_key, throttle="counting" if config.rate_limit else "off")
        self.market.reset()

    @property
    def slot(self) -> int:
        """The number of the newest slot."""
        return self._slot

    def publish(self) -> int:
        """Make the next slot and send it to every stream; the slot's number."""
        now_s = int(self._clock())
        self._slot += 1
        self._slots.append(
            SignedSlot(
                self._slot,
                self.market.advance(now_s),
                timestamp=now_s,
                signers=self._impostors if self.faults.forged else self.signers,
                emitter=self._config.emitter,
            )
        )
        self._bodies.clear()
        if not self.faults.silent:
            self._fan_out()
        return self._slot

    def latest(self, query: PriceQuery) -> bytes:
        """The JSON body of an answer with the newest prices."""
        return self._spoiled(self._body(query.feeds, query, split=self.faults.split_slots))

    def jump(
        self, feed: str, *, percent: Decimal | None = None, price: Decimal | None = None, now: bool = True
    ) -> None:
        """Move a feed by so many percent or to a price, in a slot made at once or in the next one.

        Raises UsageError for an unknown feed or a price that cannot be served.
        """
        self.market.jump(feed, percent=percent, price=price)
        if now:
            self.publish()

    def drop_streams(self) -> None:
        """Cut every stream with a TCP reset."""
        for stream in tuple(self.streams):
            stream.reset()

    def end_streams(self, error: str | None = None) -> None:
        """Close every stream cleanly, after an error event with this text if one is given."""
        for stream in tuple(self.streams):
            stream.end(error_event(error) if error else b"")

    def report_error(self, message: str) -> None:
        """Send every stream an error event that does not end it."""
        for stream in tuple(self.streams):
            stream.offer(error_event(f"Error receiving update: {message}"))

    def _fan_out(self) -> None:
        events: dict[PriceQuery, bytes] = {}
        for stream in tuple(self.streams):
            if stream.query not in events:
                events[stream.query] = self._event(stream.query)
            stream.offer(events[stream.query], delay_ms=self.faults.stream_delay_ms)

    def _event(self, query: PriceQuery) -> bytes:
        messages = self._slots[-1].messages
        feeds = tuple(
            index
            for index in query.feeds
            if not self.market.feeds[index].removed
            and not (query.benchmarks_only and messages[index].prev_publish_time == messages[index].publish_time)
        )
        return data_event(self._spoiled(self._body(feeds, query))) if feeds else NO_UPDATE

    def _body(self, feeds: tuple[int, ...], query: PriceQuery, *, split: bool = False) -> bytes:
        """The answer for these feeds, built once a slot however many ask; `split` serves odd feeds a slot late."""
        key = (feeds, query.encoding, query.parsed, split)
        body = self._bodies.get(key)
        if body is None:
            older, newest = self._slots[0 if split else -1], self._slots[-1]
            picks = [(older if index % 2 else newest, index) for index in feeds]
            body = price_update(picks, encoding=query.encoding, parsed=query.parsed)
            if len(self._bodies) < _KEPT_BODIES:
                self._bodies[key] = body
        return body

    def _spoiled(self, body: bytes) -> bytes:
        garbage = self.faults.garbage
        return spoil(body, garbage, line_bytes=self.faults.garbage_line_bytes) if garbage else body
