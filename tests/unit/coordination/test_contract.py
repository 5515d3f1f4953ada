"""The fake store keeps the contract; the real ones are tested with the integrations."""

import pytest

from tests.support.lease_contract import LeaseStoreContract, MakeStore
from tests.support.leases import FakeLeases, LeaseShelf


class TestFakeLeases(LeaseStoreContract):
    @pytest.fixture
    def make(self) -> MakeStore:
        shelf = LeaseShelf()
        return lambda: FakeLeases(shelf)
