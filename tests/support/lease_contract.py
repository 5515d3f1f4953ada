"""What every store of leases keeps, the real ones and the fake: electors rely on nothing else."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest

from keeper.coordination.lease import Conflict, Lease, LeaseStore

MakeStore = Callable[[], LeaseStore]

SHARD = "31337-0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266"
OTHER = "31337-0x70997970c51812dc3a010c7d01b50e0d17dc79c8"
LEASE = Lease(
    holder="pod-a_1234",
    duration_s=15,
    epoch=1,
    acquired_us=1_700_000_000_000_001,
    renewed_us=1_700_000_000_123_456,
    notes={"claim": "pod-b_5678"},
)


class LeaseStoreContract(ABC):
    """Subclasses make stores that share what they hold."""

    @pytest.fixture
    @abstractmethod
    def make(self) -> MakeStore:
        """Makes a store; all that it makes hold the same, nothing at first."""

    @pytest.fixture
    async def store(self, make: MakeStore) -> AsyncIterator[LeaseStore]:
        store = make()
        yield store
        await store.close()

    @pytest.fixture
    async def other(self, make: MakeStore) -> AsyncIterator[LeaseStore]:
        store = make()
        yield store
        await store.close()

    async def test_holds_nothing_at_first(self, store: LeaseStore) -> None:
        assert await store.read() == {}

    async def test_tells_everybody_what_was_written(self, store: LeaseStore, other: LeaseStore) -> None:
        made = await store.write(SHARD, LEASE)
        assert made.version
        assert made == replace(LEASE, version=made.version)
        assert await other.read() == {SHARD: made}

    async def test_keeps_shards_apart(self, store: LeaseStore) -> None:
        made = await store.write(SHARD, LEASE)
        another = await store.write(OTHER, replace(LEASE, holder="pod-c_1"))
        assert await store.read() == {SHARD: made, OTHER: another}

    async def test_makes_each_lease_once(self, store: LeaseStore, other: LeaseStore) -> None:
        made = await store.write(SHARD, LEASE)
        with pytest.raises(Conflict):
            await other.write(SHARD, replace(LEASE, holder="pod-b_1"))
        assert await store.read() == {SHARD: made}

    async def test_replaces_the_version_that_is_named(self, store: LeaseStore, other: LeaseStore) -> None:
        made = await store.write(SHARD, LEASE)
        changed = await other.write(SHARD, replace(made, holder="pod-b_1", epoch=2, notes={}))
        assert changed.version != made.version
        assert await store.read() == {SHARD: changed}

    async def test_refuses_to_replace_an_older_version(self, store: LeaseStore, other: LeaseStore) -> None:
        made = await store.write(SHARD, LEASE)
        changed = await other.write(SHARD, replace(made, renewed_us=made.renewed_us + 1))
        with pytest.raises(Conflict):
            await store.write(SHARD, replace(made, holder="pod-b_1"))
        assert await store.read() == {SHARD: changed}

    async def test_refuses_to_replace_what_is_not_there(self, store: LeaseStore) -> None:
        made = await store.write(SHARD, LEASE)
        with pytest.raises(Conflict):
            await store.write(OTHER, made)
        assert await store.read() == {SHARD: made}

    async def test_a_lease_may_have_no_holder(self, store: LeaseStore) -> None:
        made = await store.write(SHARD, LEASE)
        freed = await store.write(SHARD, replace(made, holder="", notes={}))
        assert freed.holder == ""
        assert await store.read() == {SHARD: freed}

    async def test_of_many_who_write_at_once_one_succeeds(self, store: LeaseStore, other: LeaseStore) -> None:
        made = await store.write(SHARD, LEASE)
        tries = [
            side.write(SHARD, replace(made, holder=f"pod-{number}_1"))
            for number in range(10)
            for side in (store, other)
        ]
        results = await asyncio.gather(*tries, return_exceptions=True)
        (won,) = (result for result in results if isinstance(result, Lease))
        assert sum(isinstance(result, Conflict) for result in results) == len(tries) - 1
        assert await store.read() == {SHARD: won}
