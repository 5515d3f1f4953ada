"""Every error the keeper raises on purpose.

    KeeperError
    ├── UsageError            bad input: settings, arguments, files (exit 2)
    ├── InvalidUpdate         update data that cannot be decoded or proven
    ├── Transient             may pass by itself: retry, fail over or wait
    │   └── Throttled         asked to slow down; carries how long
    ├── Rejected              this request is refused; the same one again will be too
    └── Fatal                 no retry helps: a human must change something

A message says what is wrong and what to do about it, and never holds a secret.
"""


class KeeperError(Exception):
    """Root of the tree."""


class UsageError(KeeperError):
    """The user's input is wrong."""


class InvalidUpdate(KeeperError):
    """Update data is malformed, or its proof does not hold."""


class Transient(KeeperError):
    """A failure that may pass: try again, elsewhere or later."""


class Throttled(Transient):
    """The peer asks to slow down."""

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Rejected(KeeperError):
    """The peer gave a verdict: this very request will not be accepted."""


class Fatal(KeeperError):
    """Nothing the keeper can do will help; the message tells the operator what to change."""
