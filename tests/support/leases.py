"""Leases in memory, that fail and dawdle when they are told to."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from keeper.coordination.lease import Conflict, Lease
from keeper.domain.errors import KeeperError, Transient


@dataclass
class LeaseShelf:
    """What all stores of a world share."""

    leases: dict[str, Lease] = field(default_factory=dict)
    written: int = 0

    def put(self, shard: str, lease: Lease) -> Lease:
        before = self.leases.get(shard)
        if (before.version if before else "") != lease.version:
            raise Conflict(f"the lease of {shard} was written by another keeper")
        self.written += 1
        self.leases[shard] = replace(lease, version=str(self.written))
        return self.leases[shard]


@dataclass
class FakeLeases:
    """See LeaseStore."""

    shelf: LeaseShelf = field(default_factory=LeaseShelf)
    cut: bool = False
    """Whether nothing goes through: neither requests nor answers."""
    refusal: KeeperError | None = None
    """What writes are refused with."""
    reads: int = 0
    writes: int = 0

    async def read(self) -> Mapping[str, Lease]:
        self.reads += 1
        self._check()
        return dict(self.shelf.leases)

    async def write(self, shard: str, lease: Lease) -> Lease:
        self.writes += 1
        await asyncio.sleep(0)
        self._check()
        if self.refusal is not None:
            raise self.refusal
        return self.shelf.put(shard, lease)

    async def close(self) -> None:
        return

    def _check(self) -> None:
        if self.cut:
            raise Transient("the store cannot be reached")
