"""Every error the keeper raises on purpose.

    KeeperError
    ├── UsageError            bad input: settings, arguments, files (exit 2)
    ├── InvalidUpdate         update data that cannot be decoded or proven
    ├── Transient             may pass by itself: retry, fail over or wait
    │   ├── Throttled         asked to slow down; carries how long
    │   ├── Uncertain         no answer: what was sent may have arrived
    │   └── JournalError      the journal cannot be written or read
    ├── MandateLost           another process sends for the account, or may soon
    ├── Rejected              this request is refused; the same one again will be too
    │   └── SendRefused       a node refused a transaction; carries why
    └── Fatal                 no retry helps: a human must change something

A message says what is wrong and what to do about it, and never holds a secret.
"""

from enum import StrEnum


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


class Uncertain(Transient):
    """No verdict came back: what was sent may or may not have arrived."""


class JournalError(Transient):
    """The journal cannot be written or read."""


class MandateLost(KeeperError):
    """Another process may send for the account by now: nothing is signed, handed over or written down."""


class Rejected(KeeperError):
    """The peer gave a verdict: this very request will not be accepted."""


class Refusal(StrEnum):
    """Why a node does not take a transaction; the word for it in logs, metrics and outcomes."""

    NONCE_TOO_LOW = "nonce_too_low"
    NONCE_TOO_HIGH = "nonce_too_high"
    REPLACEMENT_UNDERPRICED = "replacement_underpriced"
    UNDERPRICED = "underpriced"
    INSUFFICIENT_FUNDS = "insufficient_funds"
    GAS_LIMIT = "gas_limit"
    WOULD_REVERT = "would_revert"
    TOO_LARGE = "too_large"
    POOL_FULL = "pool_full"
    WRONG_CHAIN = "wrong_chain"
    FEE_ABOVE_NODE_CAP = "fee_above_node_cap"


class SendRefused(Rejected):
    """A node refused a transaction."""

    def __init__(self, refusal: Refusal, text: str) -> None:
        super().__init__(f"the node refuses the transaction ({refusal}): {text}")
        self.refusal = refusal


class Fatal(KeeperError):
    """Nothing the keeper can do will help; the message tells the operator what to change."""
