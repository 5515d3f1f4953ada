"""Which sources the contract of one network takes prices from, as far as is known."""

from dataclasses import dataclass
from typing import NamedTuple

from keeper.domain.accumulator import Update
from keeper.domain.events import SourceDistrusted, SourceTrusted
from keeper.domain.status import SourceTrust, TrustState
from keeper.ports import Emit

_KINDS_KEPT = 4
"""Of each source: signers change seldom."""
_FIRST_RETRIAL_S = 30.0
_LAST_RETRIAL_S = 600.0
_UNTRIED_PAUSE_S = 10.0
"""At least so long between two trials of a source, whatever it sends."""
_RANK = {TrustState.TRUSTED: 0, TrustState.UNTRIED: 1, TrustState.REFUSED: 2}


class Sender(NamedTuple):
    """Whose updates are meant: those of one source with one envelope."""

    source: str
    envelope: bytes
    """The signer set and the emitter, as `Update.envelope` has them."""


@dataclass(slots=True)
class _Standing:
    state: TrustState = TrustState.UNTRIED
    why: str = ""
    refusals: int = 0
    try_at: float = 0.0


class Trust:
    """Every source is untried at first, and again when its signers change. Times are monotonic seconds.

    Prices are taken from those sources only that stand best: an untried one waits for its trial while another one is
    trusted, and a refused one serves where there is no other, for it costs nothing to try again before each push.
    """

    def __init__(self, network: str, tell: Emit) -> None:
        self._network = network
        self._tell = tell
        self._standings: dict[Sender, _Standing] = {}
        self._current: dict[str, Sender] = {}
        """What each source sends now."""

    def saw(self, source: str, update: Update) -> Sender:
        """An update came from the source."""
        origin = Sender(source, update.envelope)
        if self._current.get(source) != origin:
            self._current[source] = origin
            self._standings.setdefault(origin, _Standing())
            self._forget_old(source)
        return origin

    def admits(self, origin: Sender) -> bool:
        """Whether prices of that origin are to be used."""
        best = min(_RANK[self._standings[each].state] for each in self._current.values())
        return _RANK[self._standings[origin].state] <= best

    def is_trusted(self, origin: Sender) -> bool:
        """Whether the contract took it the last time."""
        standing = self._standings.get(origin)
        return standing is not None and standing.state is TrustState.TRUSTED

    @property
    def has_alternative(self) -> bool:
        """Whether some source is not refused."""
        return any(self._standings[each].state is not TrustState.REFUSED for each in self._current.values())

    def is_refused(self, origin: Sender) -> bool:
        """Whether the contract, or we ourselves, refused it the last time."""
        standing = self._standings.get(origin)
        return standing is not None and standing.state is TrustState.REFUSED

    def refuse(self, origin: Sender, why: str, now: float) -> None:
        """Its updates are no good here: it is tried again now and then."""
        standing = self._standings.setdefault(origin, _Standing())
        is_news = standing.state is not TrustState.REFUSED
        standing.state, standing.why = TrustState.REFUSED, why
        standing.try_at = now + min(_FIRST_RETRIAL_S * 2**standing.refusals, _LAST_RETRIAL_S)
        standing.refusals = min(standing.refusals + 1, 16)
        if is_news:
            self._tell(SourceDistrusted(self._network, origin.source, why))

    def accept(self, origin: Sender) -> None:
        """The contract takes them."""
        standing = self._standings.setdefault(origin, _Standing())
        was_refused = standing.state is TrustState.REFUSED
        self._standings[origin] = _Standing(TrustState.TRUSTED)
        if was_refused:
            self._tell(SourceTrusted(self._network, origin.source))

    def to_try(self, now: float) -> list[Sender]:
        """Those whose trial is due; the next one of each comes some time later, however this one ends."""
        due = []
        for origin in self._current.values():
            standing = self._standings[origin]
            if standing.state is not TrustState.TRUSTED and standing.try_at <= now:
                standing.try_at = now + _UNTRIED_PAUSE_S
                due.append(origin)
        return due

    def status(self) -> tuple[SourceTrust, ...]:
        """One row a source that has delivered, by name."""
        rows = sorted((source, self._standings[origin]) for source, origin in self._current.items())
        return tuple(SourceTrust(source, standing.state, standing.why) for source, standing in rows)

    def _forget_old(self, source: str) -> None:
        known = [origin for origin in self._standings if origin.source == source and origin != self._current[source]]
        for origin in known[: -(_KINDS_KEPT - 1)]:
            del self._standings[origin]
