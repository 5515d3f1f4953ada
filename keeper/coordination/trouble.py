"""Trouble with a store of leases: told when it begins and when all of it is over."""

from keeper.domain.events import CoordinationFailed, CoordinationRecovered
from keeper.ports import Emit


class Trouble:
    """As text it is why nobody can tell who may send; empty while all is well."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._whys: dict[str, str] = {}

    def __str__(self) -> str:
        return next(iter(self._whys.values()), "")

    def arises(self, doing: str, why: str) -> None:
        """It fails now, for this reason."""
        if not self._whys:
            self._emit(CoordinationFailed(why))
        self._whys[doing] = why

    def passes(self, doing: str) -> None:
        """It works."""
        if self._whys.pop(doing, "") and not self._whys:
            self._emit(CoordinationRecovered())
