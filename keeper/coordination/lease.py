"""A lease: what a store holds of each shard, and how long each step may take.

A shard is an account on a chain. Safety rests on two things alone: that a store replaces a record only for whoever
names its version, and that clocks run at about the same speed. Nobody compares the time of day of two machines.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from keeper.domain.errors import Rejected
from keeper.ports import Account

DRIFT = 0.01
"""A holder trusts its lease for so much less than the others wait: clocks of two machines run apart by less."""


def shard_of(account: Account) -> str:
    """What the lease of an account is called: by what it protects, whatever the network is called."""
    return f"{account.chain_id}-{account.address.lower()}"


@dataclass(frozen=True, slots=True)
class Lease:
    """One record of a store."""

    version: str = ""
    """Changes with every write; empty for one that is not in the store yet."""
    holder: str = ""
    """Empty where nobody holds it."""
    duration_s: int = 0
    """For how long the holder may hold it after it was renewed; others wait for so long."""
    epoch: int = 0
    """Grows by one whenever somebody comes to hold it."""
    acquired_us: int = 0
    """Unix microseconds by the holder's clock, for people to read."""
    renewed_us: int = 0
    """Likewise; differs with every renewal."""
    notes: Mapping[str, str] = field(default_factory=dict)
    """What replicas tell each other, by name."""

    def is_renewal_of(self, other: "Lease | None") -> bool:
        """Whether the holder has written since; notes of others do not count."""
        if other is None:
            return True
        return (self.holder, self.epoch, self.renewed_us) != (other.holder, other.epoch, other.renewed_us)

    def noting(self, **notes: str) -> "Lease":
        """The same with these notes; an empty one is taken away."""
        kept = {name: text for name, text in {**self.notes, **notes}.items() if text}
        return replace(self, notes=kept)


class Conflict(Rejected):
    """The record is not the one that was to be replaced: somebody else has written it, or taken it away."""


class LeaseStore(Protocol):
    """Where leases are. Methods raise Transient when it does not answer, Fatal when it refuses us for good."""

    async def read(self) -> Mapping[str, Lease]:
        """All records by shard, none older than the call."""
        ...

    async def write(self, shard: str, lease: Lease) -> Lease:
        """Replace the record of the lease's version, or make one; returns it with its new version.

        Raises Conflict where that is not the record there.
        """
        ...

    async def close(self) -> None:
        """Let go of it."""
        ...


@dataclass(frozen=True, slots=True)
class Pace:
    """How time is dealt out, all of it by the duration of a lease."""

    duration_s: int

    @property
    def trusted_s(self) -> float:
        """For how long after asking for it a holder counts on what it was granted."""
        return self.duration_s * (1 - DRIFT)

    @property
    def renew_s(self) -> float:
        """A lease is renewed this often; a request may take as long."""
        return self.duration_s / 5

    @property
    def send_s(self) -> float:
        """A transaction is handed over within this time, or counts as unanswered."""
        return self.duration_s / 3

    @property
    def reserve_s(self) -> float:
        """Less than this left of a lease, and nothing is signed or handed over: a hand-over, and a margin."""
        return self.send_s + self.duration_s / 15
