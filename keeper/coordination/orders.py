"""The orders of operators by way of the store of leases, for keepers that share no journal: notes in a record."""

from collections.abc import Callable, Collection, Mapping
from hashlib import sha256
from typing import TypeVar

import msgspec

from keeper.coordination.lease import Conflict, Lease, LeaseStore
from keeper.domain.errors import Transient
from keeper.domain.orders import Addressee, Pause, PushRequest, Standing
from keeper.domain.units import FeedId

_T = TypeVar("_T")

FRESH_S = 30.0
"""What was asked for longer ago is not heeded any more."""
_RECORD = "orders"
"""No shard is called so, and nobody ever holds it."""
_TRIES = 10
_MOST_WAITING = 20
"""Requests that wait; the oldest go."""


class _Asked(msgspec.Struct, frozen=True):
    at: float
    by: str
    feeds: tuple[str, ...] | None


class _Paused(msgspec.Struct, frozen=True):
    by: str
    since: float


class LeaseOrders:
    """See Orders. Every change is one compare and swap, made again where somebody else was faster."""

    def __init__(self, store: LeaseStore) -> None:
        self._store = store

    async def ask(self, addressee: Addressee, request: PushRequest, now: float) -> None:
        """See Orders."""
        feeds = None if request.feeds is None else tuple(sorted(request.feeds))
        asked = _Asked(now, request.by, feeds)

        def change(lease: Lease) -> Lease:
            waiting = (*_waiting(lease, addressee), asked)[-_MOST_WAITING:]
            return lease.noting(**{_name("asked", addressee): msgspec.json.encode(waiting).decode()})

        await self._change(change)

    async def pause(self, addressee: Addressee, pause: Pause) -> None:
        """See Orders."""
        name, text = _name("pause", addressee), msgspec.json.encode(_Paused(pause.by, pause.since)).decode()
        await self._change(lambda lease: lease if name in lease.notes else lease.noting(**{name: text}))

    async def resume(self, addressee: Addressee, *, by: str, now: float) -> None:  # noqa: ARG002 - as the port has it
        """See Orders."""
        await self._change(lambda lease: lease.noting(**{_name("pause", addressee): ""}))

    async def look(self, addressees: Collection[Addressee]) -> Mapping[Addressee, Standing]:
        """See Orders."""
        lease = await self._read()
        return {each: Standing(_pause(lease, each), _name("asked", each) in lease.notes) for each in addressees}

    async def take(self, addressee: Addressee, now: float) -> PushRequest | None:
        """See Orders."""
        name = _name("asked", addressee)
        before = await self._change(lambda lease: lease.noting(**{name: ""}))
        joined: PushRequest | None = None
        for asked in _waiting(before, addressee):
            if asked.at > now - FRESH_S:
                feeds = None if asked.feeds is None else frozenset(map(FeedId, asked.feeds))
                request = PushRequest(feeds, asked.by)
                joined = request if joined is None else joined.joined(request)
        return joined

    async def close(self) -> None:
        """Let go of nothing: the store is another's."""

    async def _read(self) -> Lease:
        return (await self._store.read()).get(_RECORD) or Lease(duration_s=1)

    async def _change(self, change: Callable[[Lease], Lease]) -> Lease:
        """Make a change, and return what was there before."""
        for _ in range(_TRIES):
            before = await self._read()
            after = change(before)
            if after == before:
                return before
            try:
                await self._store.write(_RECORD, after)
            except Conflict:
                continue
            return before
        raise Transient("others leave orders at the same time: try again")


def _decoded(text: str, kind: type[_T]) -> _T | None:
    """None for what somebody else has scribbled there."""
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.MsgspecError:
        return None


def _name(kind: str, addressee: Addressee) -> str:
    """Short enough for the name of an annotation, whatever the network is called."""
    return f"{kind}-{sha256(f'{addressee.network} {addressee.address}'.encode()).hexdigest()[:32]}"


def _waiting(lease: Lease, addressee: Addressee) -> tuple[_Asked, ...]:
    return _decoded(lease.notes.get(_name("asked", addressee), "[]"), tuple[_Asked, ...]) or ()


def _pause(lease: Lease, addressee: Addressee) -> Pause | None:
    text = lease.notes.get(_name("pause", addressee))
    paused = None if text is None else _decoded(text, _Paused)
    return None if paused is None else Pause(paused.by, paused.since)
