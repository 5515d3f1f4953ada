"""The error table, on what clients really say."""

import pytest

from keeper.domain.errors import Refusal, Transient
from keeper.evm.errors import Kind, Meaning, classify, describe, result_of, revert_data
from keeper.evm.wire import ErrorAnswer, Response

KNOWN = Kind.ALREADY_KNOWN
LOW = Refusal.NONCE_TOO_LOW
HIGH = Refusal.NONCE_TOO_HIGH
REPLACE = Refusal.REPLACEMENT_UNDERPRICED
PRICE = Refusal.UNDERPRICED
FUNDS = Refusal.INSUFFICIENT_FUNDS
GAS = Refusal.GAS_LIMIT
REVERT = Refusal.WOULD_REVERT
FULL = Refusal.POOL_FULL
CHAIN = Refusal.WRONG_CHAIN
CAP = Refusal.FEE_ABOVE_NODE_CAP

SAID: list[tuple[str, int, str, Meaning]] = [
    ("geth", -32000, "already known", KNOWN),
    ("geth", -32000, "nonce too low", LOW),
    ("geth", -32000, "nonce too low: next nonce 7, tx nonce 5", LOW),
    ("geth", -32000, "nonce too high: address 0x336394A3, tx: 8089 state: 8088", HIGH),
    ("geth", -32000, "replacement transaction underpriced", REPLACE),
    (
        "geth",
        -32000,
        "replacement transaction underpriced: new tx gas fee cap 10 < 12 queued + 10% replacement",
        REPLACE,
    ),
    ("geth", -32000, "transaction underpriced", PRICE),
    ("geth", -32000, "transaction underpriced: gas tip cap 0, minimum needed 1000000", PRICE),
    ("geth", -32000, "max fee per gas less than block base fee: address 0xab, maxFeePerGas: 1, baseFee: 7", PRICE),
    ("geth", -32000, "insufficient funds for gas * price + value: balance 0, tx cost 5, overshot 5", FUNDS),
    ("geth", -32000, "insufficient funds for transfer", FUNDS),
    ("geth", -32000, "intrinsic gas too low: have 20000, want 21000", GAS),
    ("geth", -32000, "insufficient gas for floor data gas cost: have 22000, want 61000", GAS),
    ("geth", -32000, "exceeds block gas limit", GAS),
    ("geth", -32000, "transaction gas limit too high (cap: 16777216, tx: 17000000)", GAS),
    ("geth", -32000, "gas required exceeds allowance (21000)", GAS),
    ("geth", 3, "execution reverted", REVERT),
    ("geth", 3, "execution reverted: insufficient funds", REVERT),
    ("geth", -32000, "txpool is full", FULL),
    ("geth", -32000, "future transaction tries to replace pending", FULL),
    ("geth", -32000, "in-flight transaction limit reached for delegated accounts", FULL),
    ("geth", -32000, "gapped-nonce tx from delegated accounts", HIGH),
    ("geth", -32000, "account limit exceeded", FULL),
    ("geth", -32000, "oversized data: transaction size 160000, limit 131072", Refusal.TOO_LARGE),
    ("geth", -32000, "tx fee (1.10 ether) exceeds the configured cap (1.00 ether)", CAP),
    ("geth", -32000, "invalid chain id for signer: have 5 want 1", CHAIN),
    ("geth", -32601, "the method eth_foo does not exist/is not available", Kind.UNSUPPORTED),
    ("reth", -32000, "already known", KNOWN),
    ("reth", -32000, "already imported", KNOWN),
    ("reth", -32000, "rejected due to 0x336394A3 being identified as a spammer", FULL),
    ("reth", -32000, "input data too large", Refusal.TOO_LARGE),
    ("reth", -32000, "transaction underpriced", PRICE),
    ("reth", -32000, "nonce too low: next nonce 7, tx nonce 5", LOW),
    ("reth", -32000, "replacement transaction underpriced", REPLACE),
    ("reth", -32000, "insufficient gas price to replace existing transaction", REPLACE),
    ("reth", -32000, "transaction feeCap 5 below chain minimum", PRICE),
    ("reth", -32000, "transaction discarded outright due to pool size constraints", FULL),
    ("reth", -32000, "transaction's gas limit 40000000 exceeds block's gas limit 36000000", GAS),
    ("reth", -32003, "transaction overdraws from account", FUNDS),
    ("erigon", -32000, "existing txn with same hash", KNOWN),
    ("erigon", -32000, "INTERNAL_ERROR: existing tx with same hash", KNOWN),
    ("erigon", -32000, "INTERNAL_ERROR: nonce too low", LOW),
    ("erigon", -32000, "replacement transaction underpriced", REPLACE),
    ("erigon", -32000, "underpriced", PRICE),
    ("erigon", -32000, "insufficient funds", FUNDS),
    ("erigon", -32000, "pending sub-pool is full", FULL),
    ("erigon", -32000, "spammer", FULL),
    ("erigon", -32000, "IntrinsicGas", GAS),
    ("erigon", -32000, "gas limit is too high", GAS),
    ("erigon", -32000, "RLPTooLong", Refusal.TOO_LARGE),
    ("erigon", -32000, "ALREADY_EXISTS: already known", KNOWN),
    ("erigon", -32000, "INTERNAL_ERROR: could not replace existing tx", REPLACE),
    ("erigon", -32000, "nonce too low", LOW),
    ("erigon", -32000, "fee too low", PRICE),
    ("nethermind", -32010, "AlreadyKnown", KNOWN),
    ("nethermind", -32010, "OldNonce, Current nonce: 22, nonce of rejected tx: 17", LOW),
    ("nethermind", -32010, "NonceGap, Future nonce. Expected nonce: 10", HIGH),
    ("nethermind", -32010, "nonce too far in future", HIGH),
    ("nethermind", -32010, "ReplacementNotAllowed", REPLACE),
    ("nethermind", -32010, "FeeTooLow, EffectivePriorityFeePerGas too low 10 < 20, BaseFee: 30", PRICE),
    ("nethermind", -32010, "FeeTooLowToCompete", PRICE),
    ("nethermind", -32010, "InsufficientFunds, Account balance: 1, cumulative cost: 2", FUNDS),
    ("nethermind", -32010, "GasLimitExceeded, Gas limit: 100, gas limit of rejected tx: 150", GAS),
    ("nethermind", -32015, "VM execution error.", REVERT),
    ("besu", -32000, "Known transaction", KNOWN),
    ("besu", -32001, "Nonce too low", LOW),
    ("besu", -32006, "Nonce too high", HIGH),
    ("besu", -32000, "Transaction nonce is too distant from current sender nonce", HIGH),
    ("besu", -32000, "Replacement transaction underpriced", REPLACE),
    ("besu", -32000, "An existing transaction had higher priority", REPLACE),
    ("besu", -32009, "Gas price below configured minimum gas price", PRICE),
    ("besu", -32009, "Gas price below current base fee", PRICE),
    ("besu", -32004, "Upfront cost exceeds account balance", FUNDS),
    ("besu", -32003, "Intrinsic gas exceeds gas limit", GAS),
    ("besu", -32005, "Transaction gas limit exceeds block gas limit", GAS),
    ("besu", -32000, "Execution reverted", REVERT),
    ("besu", -32000, "Transaction fee cap exceeded", CAP),
    ("besu", -32000, "Wrong chainId", CHAIN),
    ("besu", -32604, "Method not enabled", Kind.UNSUPPORTED),
    ("anvil", -32003, "transaction already imported", KNOWN),
    ("anvil", -32003, "nonce too low", LOW),
    ("anvil", -32003, "replacement transaction underpriced", REPLACE),
    ("anvil", -32003, "max fee per gas less than block base fee", PRICE),
    ("anvil", -32003, "Insufficient funds for gas * price + value", FUNDS),
    ("anvil", -32000, "intrinsic gas too low", GAS),
    ("anvil", -32000, "intrinsic gas too high -- tx.gas_limit > env.block.gas_limit", GAS),
    ("anvil", 3, "execution reverted: custom error 0x14aebe68", REVERT),
    ("anvil", -32003, "invalid chain id for signer", CHAIN),
    ("anvil", -32601, "Method not found", Kind.UNSUPPORTED),
    ("avalanche", -32000, "nonce too low: address 0x0499BEA3 current nonce (5833) > tx nonce (5511)", LOW),
    ("avalanche", -32000, "address 0x0499BEA3 current nonce (5833) > tx nonce (5511)", LOW),
    ("avalanche", -32000, "max fee per gas less than block base fee: maxFeePerGas: 1, baseFee: 25000000000", PRICE),
    ("avalanche", -32000, "already known", KNOWN),
    ("avalanche", -32000, "replacement transaction underpriced", REPLACE),
    ("avalanche", -32000, "transaction underpriced", PRICE),
    ("arbitrum", -32000, "invalid transaction nonce", LOW),
    ("arbitrum", -32000, "already known", KNOWN),
    ("arbitrum", -32000, "nonce too high: address 0x336394A3, tx: 8089 state: 8088", HIGH),
    ("arbitrum", -32000, "max fee per gas less than block base fee: address 0xab, maxFeePerGas: 1 baseFee: 7", PRICE),
    ("arbitrum", -32000, "gas price too low", PRICE),
    ("arbitrum", -32000, "not enough funds for gas", FUNDS),
    ("arbitrum", -32000, "sequencer pending tx pool full, please try again", FULL),
    ("arbitrum", -32000, "queue full", FULL),
    ("op-stack", -32000, "invalid transaction: nonce too low", LOW),
    ("op-stack", -32000, "already known", KNOWN),
    ("op-stack", -32000, "replacement transaction underpriced", REPLACE),
    ("op-stack", -32000, "insufficient funds for gas * price + value: balance 0, tx cost 5, overshot 5", FUNDS),
    ("op-stack", -32000, "fee too low: 30365610000000, use at least tx.gasLimit = 5874374", PRICE),
    (
        "op-stack",
        -32000,
        '429 Too Many Requests: {"error":{"code":-32016,"message":"over rate limit"}}',
        Kind.THROTTLED,
    ),
    ("openethereum", -32010, "Transaction with the same hash was already imported.", KNOWN),
    ("openethereum", -32010, "Transaction gas price supplied is too low.", PRICE),
    ("klaytn", -32000, "there is another tx which has the same nonce in the tx pool", REPLACE),
    ("provider", -32005, "daily request count exceeded, request rate limited", Kind.THROTTLED),
    ("provider", 429, "Your app has exceeded its compute units per second capacity", Kind.THROTTLED),
    ("provider", 429, "", Kind.THROTTLED),
    ("provider", 3, "", REVERT),
    ("provider", -32601, "", Kind.UNSUPPORTED),
]


@pytest.mark.parametrize(("client", "code", "text", "meaning"), SAID)
def test_knows_what_clients_say(client: str, code: int, text: str, meaning: Meaning) -> None:
    assert classify(ErrorAnswer(code, text)) is meaning, client


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (-32000, ""),
        (-32000, "unknown transaction"),
        (-32603, "Internal error"),
        (-32000, "header not found"),
        (-32005, "query returned more than 10000 results"),
        (-32001, "resource not found"),
        (-32602, "invalid argument 0"),
        (-32000, "something that was never seen before"),
    ],
)
def test_claims_no_meaning_for_what_it_does_not_know(code: int, text: str) -> None:
    assert classify(ErrorAnswer(code, text)) is Kind.UNKNOWN


@pytest.mark.parametrize(
    ("error", "meaning"),
    [
        (ErrorAnswer(-32603, "Internal error", "tx already exists in cache"), KNOWN),
        (ErrorAnswer(-32015, "Internal error", "Reverted 0x14aebe68"), REVERT),
        (ErrorAnswer(-32000, "failed", {"reason": "nonce too low"}), Kind.UNKNOWN),
    ],
)
def test_reads_texts_in_the_data_too(error: ErrorAnswer, meaning: Meaning) -> None:
    assert classify(error) is meaning


@pytest.mark.parametrize(
    ("data", "found"),
    [
        ("0x14aebe68", "14aebe68"),
        ("Reverted 0x14aebe68", "14aebe68"),
        ({"data": "0x14aebe68"}, "14aebe68"),
        ("0x14aebe6", "14aebe"),
        ("0x", ""),
        (None, ""),
        ([1], ""),
        ({"data": 5}, ""),
    ],
)
def test_finds_what_the_contract_reverted_with(data: object, found: str) -> None:
    assert revert_data(ErrorAnswer(3, "execution reverted", data)).hex() == found


def test_describes_an_error_with_its_meaning_and_without_urls() -> None:
    error = ErrorAnswer(3, 'execution reverted at "https://node.example/v1/f3c98a1d": twice', "0x2acbe915")
    told = describe(error)
    assert told.startswith('execution reverted at "<url>": twice (InvalidWormholeVaa: ')
    assert "f3c98a1d" not in told


def test_describes_an_error_without_words_by_its_code() -> None:
    assert describe(ErrorAnswer(-32000)) == "error -32000"


@pytest.mark.timeout(60)
@pytest.mark.parametrize("endless", ["x" * 1_000_000, "method " * 200_000])
def test_endless_texts_are_neither_read_nor_repeated_in_full(endless: str) -> None:
    error = ErrorAnswer(-32000, endless, endless)
    assert classify(error) is Kind.UNKNOWN
    assert len(describe(error)) < 1000


def test_takes_the_result_or_raises_the_error() -> None:
    assert result_of(Response(id=1, result="0x1")) == "0x1"
    with pytest.raises(Transient, match="header not found"):
        result_of(Response(id=1, error=ErrorAnswer(-32000, "header not found")))
