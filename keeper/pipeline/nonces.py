"""The account's nonces: handed out in order, no gap and no reuse."""


class Nonces:
    """The keeper's own counter."""

    def __init__(self) -> None:
        self._next: int | None = None

    @property
    def next(self) -> int | None:
        """The one to be handed out next; None before it is known."""
        return self._next

    def reserve(self) -> int:
        """Hand one out; only once the account was read."""
        assert self._next is not None
        nonce, self._next = self._next, self._next + 1
        return nonce

    def release(self, nonce: int) -> None:
        """Take back the last one handed out: nothing that was signed with it has left the process.

        One that turned out to be used since is gone.
        """
        if self._next == nonce + 1:
            self._next = nonce

    def skip_to(self, nonce: int) -> None:
        """All before this one are used."""
        self._next = nonce if self._next is None else max(self._next, nonce)

    def restart_at(self, nonce: int) -> None:
        """The counter was wrong, and nothing is out: this is the next one."""
        self._next = nonce
