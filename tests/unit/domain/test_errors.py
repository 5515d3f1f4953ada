"""The error tree, as those who catch its branches rely on it."""

import pytest

from keeper.domain.errors import (
    Fatal,
    InvalidUpdate,
    KeeperError,
    Refusal,
    Rejected,
    SendRefused,
    Throttled,
    Transient,
    Uncertain,
    UsageError,
)

BRANCHES = (UsageError, InvalidUpdate, Transient, Rejected, Fatal)


@pytest.mark.parametrize(
    ("error", "branch"),
    [
        (UsageError("u"), UsageError),
        (InvalidUpdate("i"), InvalidUpdate),
        (Throttled("t"), Transient),
        (Uncertain("u"), Transient),
        (SendRefused(Refusal.UNDERPRICED, "low"), Rejected),
        (Fatal("f"), Fatal),
    ],
)
def test_hangs_every_error_on_exactly_one_branch(error: KeeperError, branch: type[KeeperError]) -> None:
    assert isinstance(error, KeeperError)
    assert [one for one in BRANCHES if isinstance(error, one)] == [branch]


def test_carries_how_long_to_slow_down() -> None:
    assert Throttled("slow down", retry_after_s=2.5).retry_after_s == 2.5
    assert Throttled("slow down").retry_after_s is None


def test_names_the_refusal_and_the_words_of_the_node() -> None:
    refused = SendRefused(Refusal.NONCE_TOO_LOW, "nonce too low: next 7")
    assert refused.refusal is Refusal.NONCE_TOO_LOW
    assert str(refused) == "the node refuses the transaction (nonce_too_low): nonce too low: next 7"
