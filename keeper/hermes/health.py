"""What one subscription knows about itself: its status, and the events that tell of its changes."""

from collections.abc import Collection

from keeper.domain.events import SourceConnected, SourceLost, SourcePolling, SourceProblem
from keeper.domain.status import SourceState, SourceStatus
from keeper.domain.units import FeedId
from keeper.hermes.failure import SourceFailure, name_feeds
from keeper.hermes.pacing import Mute
from keeper.ports import Clock, Emit


class Health:
    """Told of everything that happens to the stream and the polls of one subscription."""

    def __init__(self, name: str, *, clock: Clock, emit: Emit) -> None:
        self.name = name
        self.connected = False
        self.in_reserve = False
        self._clock = clock
        self._emit = emit
        self._mute = Mute()
        self._polling = False
        self._poll_answers = False
        self._lost_to: SourceFailure | None = None
        self._problem = ""
        self._last_event_at: float | None = None
        self._events = 0
        self._connections = 0

    def stand_by(self) -> None:
        """Nothing is asked of the source until `called`."""
        self.in_reserve = True
        self.connected = self._polling = False
        self._lost_to = None
        self._problem = ""

    def called(self) -> None:
        """It is needed."""
        self.in_reserve = False

    def heard(self, now: float) -> None:
        """Prices arrived, from the stream or from a poll, new or not; `now` in Unix seconds."""
        self._last_event_at = now

    def delivered(self) -> None:
        """New prices were passed on."""
        self._events += 1

    def streams(self) -> None:
        """The stream brought prices."""
        self._problem = ""
        if not self.connected:
            self.connected = True
            self._lost_to = None
            self._connections += 1
            self._emit(SourceConnected(self.name))

    def lost(self, failure: SourceFailure) -> None:
        """The stream ended, or could not be opened."""
        if self.connected:
            self.connected = False
            self._emit(SourceLost(self.name, str(failure)))
        else:
            self.trouble(str(failure))
        self._problem = str(failure)
        self._lost_to = failure

    def left(self) -> None:
        """The stream that delivered was ended from here, and the next one does not deliver yet."""
        self.connected = False

    def polls(self, *, active: bool) -> None:
        """Polling stands in for the stream from now on, or no longer."""
        if active != self._polling:
            self._polling = active
            self._poll_answers = False
            self._emit(SourcePolling(self.name, active=active))

    def poll_answered(self) -> None:
        """A poll brought prices."""
        self._poll_answers = True

    def poll_failed(self, problem: str) -> None:
        """A poll brought nothing."""
        self._poll_answers = False
        self.trouble(f"polling: {problem}")

    def trouble(self, problem: str) -> None:
        """Something is wrong that does not end the stream."""
        self._problem = problem
        if self._mute.tells(problem, self._clock.monotonic()):
            self._emit(SourceProblem(self.name, problem))

    def status(self, *, missing: Collection[FeedId]) -> SourceStatus:
        """As of now; `missing`: feeds that are not asked for because they were refused."""
        not_served = f"not served: {name_feeds(missing)}" if missing else ""
        return SourceStatus(
            name=self.name,
            state=self._state(),
            connected=self.connected,
            detail=self._problem or not_served,
            last_event_at=self._last_event_at,
            events=self._events,
            reconnects=max(self._connections - 1, 0),
        )

    def _state(self) -> SourceState:
        if self.in_reserve:
            return SourceState.STANDBY
        if self.connected:
            return SourceState.STREAMING
        if self._polling and self._poll_answers:
            return SourceState.POLLING
        return self._lost_to.state if self._lost_to else SourceState.CONNECTING
