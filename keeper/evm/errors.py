"""What nodes mean by their error texts: one table for all clients.

The text decides, in lower case, and the numeric code only where no text does: clients use the same codes for different
things. Rows are tried in order. Nobody may conclude from a text that no row knows that a transaction was not taken.
"""

import re
from enum import StrEnum
from typing import TypeAlias

from keeper.domain.errors import Refusal, Transient
from keeper.evm import pyth
from keeper.evm.wire import ErrorAnswer, Response


class Kind(StrEnum):
    """Errors that are no refusal of a transaction."""

    ALREADY_KNOWN = "already_known"
    THROTTLED = "throttled"
    UNSUPPORTED = "unsupported"
    """The node does not offer the method."""
    UNKNOWN = "unknown"


Meaning: TypeAlias = Refusal | Kind

_TEXTS: tuple[tuple[Meaning, tuple[str, ...]], ...] = (
    (Refusal.WOULD_REVERT, ("execution reverted", "vm execution error", "vm exception", r"\breverted 0x")),
    (
        Kind.ALREADY_KNOWN,
        (
            "already ?known",
            "(?<!un)known transaction",
            "already imported",
            "existing txn? with same hash",
            "tx already exists in cache",
        ),
    ),
    (
        Kind.THROTTLED,
        ("rate.?limit", "too many requests", "request limit", "requests per second", "compute units", "throttled"),
    ),
    (
        Refusal.NONCE_TOO_HIGH,
        (
            "nonce too high",
            "noncegap",
            "gapped-nonce",
            "nonce too far in future",
            "too distant from current sender nonce",
        ),
    ),
    (Refusal.NONCE_TOO_LOW, ("nonce (is )?too low", "oldnonce", "invalid transaction nonce", "> tx nonce")),
    (
        Refusal.REPLACEMENT_UNDERPRICED,
        (
            "replacement transaction underpriced",
            "replacementnotallowed",
            "could not replace existing tx",
            "to replace existing transaction",
            "existing transaction had higher priority",
            "another (tx|transaction) (which has|with) (the )?same nonce",
        ),
    ),
    (
        Refusal.POOL_FULL,
        (
            "pool (is )?full",
            "queue full",
            "account limit exceeded",
            "pool size constraints",
            "too many transactions in the queue",
            "in-flight transaction limit",
            "future transaction tries to replace pending",
            "spammer",
        ),
    ),
    (Refusal.FEE_ABOVE_NODE_CAP, ("exceeds the configured cap", "fee cap exceeded")),
    (
        Refusal.UNDERPRICED,
        (
            "underpriced",
            "less than block base fee",
            "below chain minimum",
            "gas price below",
            "fee ?too ?low",
            "gas price (supplied )?(is )?too low",
        ),
    ),
    (
        Refusal.INSUFFICIENT_FUNDS,
        (
            "insufficient ?(funds|balance)",
            "upfront cost exceeds account balance",
            "not (have )?enough funds",
            "overdraws from account",
        ),
    ),
    (
        Refusal.GAS_LIMIT,
        (
            "intrinsic ?gas",
            "exceeds block('s)? gas limit",
            "gas limit (is too high|too high|reached|is greater than)",
            "gaslimitexceeded",
            "gas required exceeds allowance",
            "out of gas",
            "floor data gas",
        ),
    ),
    (Refusal.TOO_LARGE, ("oversized data", "input data too large", "rlptoolong")),
    (
        Refusal.WRONG_CHAIN,
        ("(invalid|wrong|incorrect) chain ?id", "chain ?id mismatch", "incompatible eip-155"),
    ),
    (
        Kind.UNSUPPORTED,
        (
            r"method\b.*\b(not found|not supported|not available|does not exist|not enabled|not allowed)",
            "unsupported method",
        ),
    ),
)
_CODES: dict[int, Meaning] = {
    3: Refusal.WOULD_REVERT,
    429: Kind.THROTTLED,
    -32601: Kind.UNSUPPORTED,
    -32604: Kind.UNSUPPORTED,
}
_TABLE = tuple((meaning, re.compile("|".join(patterns))) for meaning, patterns in _TEXTS)

_URL = re.compile(r"\w+://[^\s\"']+")
_HEX = re.compile(r"0x[0-9a-fA-F]+")
_LONGEST_TEXT = 1000
"""Of a hostile text, so much is read."""
_LONGEST_QUOTE = 300


def classify(error: ErrorAnswer) -> Meaning:
    """What the error means."""
    data = error.data if isinstance(error.data, str) else ""
    text = f"{error.message[:_LONGEST_TEXT]} {data[:_LONGEST_TEXT]}".lower()
    for meaning, pattern in _TABLE:
        if pattern.search(text):
            return meaning
    return _CODES.get(error.code, Kind.UNKNOWN)


def revert_data(error: ErrorAnswer) -> bytes:
    """What the contract reverted with; empty where the node does not tell."""
    data = error.data.get("data") if isinstance(error.data, dict) else error.data
    found = _HEX.search(data) if isinstance(data, str) else None
    digits = found[0][2:] if found else ""
    return bytes.fromhex(digits[: len(digits) // 2 * 2])


def describe(error: ErrorAnswer) -> str:
    """The node's own words without URLs, which may hold keys, and what the contract's error means."""
    text = _URL.sub("<url>", error.message[:_LONGEST_TEXT])[:_LONGEST_QUOTE] or f"error {error.code}"
    explained = pyth.explain(revert_data(error))
    return f"{text} ({explained})" if explained else text


def result_of(response: Response) -> object:
    """The result; raises Transient where there is an error instead."""
    if response.error is not None:
        raise Transient(f"the node answers: {describe(response.error)}")
    result: object = response.result
    return result
