"""Orders in memory, that fail when they are told to."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from keeper.domain.errors import JournalError, KeeperError
from keeper.domain.orders import Addressee, Pause, PushRequest, Standing

FRESH_S = 30.0


@dataclass
class FakeOrders:
    """See Orders."""

    requests: dict[Addressee, list[tuple[float, PushRequest]]] = field(default_factory=dict)
    pauses: dict[Addressee, Pause] = field(default_factory=dict)
    failures: int = 0
    """So many methods fail."""
    error: KeeperError = field(default_factory=lambda: JournalError("the server restarts"))
    looks: int = 0

    async def ask(self, addressee: Addressee, request: PushRequest, now: float) -> None:
        self._check()
        self.requests.setdefault(addressee, []).append((now, request))

    async def pause(self, addressee: Addressee, pause: Pause) -> None:
        self._check()
        self.pauses.setdefault(addressee, pause)

    async def resume(self, addressee: Addressee, *, by: str, now: float) -> None:  # noqa: ARG002 - as the port has it
        self._check()
        self.pauses.pop(addressee, None)

    async def look(self, addressees: Collection[Addressee]) -> Mapping[Addressee, Standing]:
        self.looks += 1
        self._check()
        return {each: Standing(self.pauses.get(each), each in self.requests) for each in addressees}

    async def take(self, addressee: Addressee, now: float) -> PushRequest | None:
        self._check()
        joined: PushRequest | None = None
        for at, request in self.requests.pop(addressee, []):
            if at > now - FRESH_S:
                joined = request if joined is None else joined.joined(request)
        return joined

    def _check(self) -> None:
        if self.failures:
            self.failures -= 1
            raise self.error
