"""The account's nonces: handed out in order, no gap and no reuse."""


class Nonces:
    """The keeper's own counter; the chain's count of mined transactions sets it when the two disagree."""

    def __init__(self) -> None:
        self._next: int | None = None

    @property
    def next(self) -> int:
        """The nonce of the next push; only after the first `sync`."""
        assert self._next is not None, "the account was not read yet"
        return self._next

    @property
    def known(self) -> int | None:
        """The same, or None before the first `sync`."""
        return self._next

    def sync(self, mined: int) -> None:
        """The chain has mined this many transactions of the account, and none of ours is pending."""
        self._next = mined

    def used(self, nonce: int) -> None:
        """A transaction with this nonce was mined."""
        self._next = max(self.next, nonce + 1)
