"""The committed artifact is the compiled contract, and speaks the real contract's ABI."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from eth_utils.abi import event_abi_to_log_topic, function_abi_to_4byte_selector
from eth_utils.crypto import keccak

REPOSITORY = Path(__file__).resolve().parents[2]
ARTIFACT = json.loads((REPOSITORY / "keeper" / "lab" / "DevnetPyth.json").read_text())
SDK_LOCK = json.loads((REPOSITORY / "contracts" / "package-lock.json").read_text())["packages"]

ERRORS = {
    "NoFreshUpdate": "de2c57fa",
    "InsufficientFee": "025dbdd4",
    "InvalidUpdateData": "e69ffece",
    "InvalidUpdateDataSource": "e60dce71",
    "InvalidWormholeVaa": "2acbe915",
    "InvalidArgument": "a9cb9e0d",
    "PriceFeedNotFound": "14aebe68",
    "StalePrice": "19abf40e",
}
FUNCTIONS = {
    "updatePriceFeeds": "updatePriceFeeds(bytes[])",
    "updatePriceFeedsIfNecessary": "updatePriceFeedsIfNecessary(bytes[],bytes32[],uint64[])",
    "getUpdateFee": "getUpdateFee(bytes[])",
    "getPriceUnsafe": "getPriceUnsafe(bytes32)",
    "getPriceNoOlderThan": "getPriceNoOlderThan(bytes32,uint256)",
    "getEmaPriceUnsafe": "getEmaPriceUnsafe(bytes32)",
    "queryPriceFeed": "queryPriceFeed(bytes32)",
    "priceFeedExists": "priceFeedExists(bytes32)",
    "getValidTimePeriod": "getValidTimePeriod()",
    "wormhole": "wormhole()",
    "getCurrentGuardianSetIndex": "getCurrentGuardianSetIndex()",
    "getGuardianSet": "getGuardianSet(uint32)",
}


def entry(kind: str, name: str) -> Any:
    (found,) = [each for each in ARTIFACT["abi"] if (each["type"], each.get("name")) == (kind, name)]
    return found


def test_was_built_from_the_present_source() -> None:
    sources = b"".join(path.read_bytes() for path in sorted((REPOSITORY / "contracts").glob("*.sol")))
    assert ARTIFACT["sourceHash"] == f"sha256:{hashlib.sha256(sources).hexdigest()}", "run `make contracts`"


def test_was_built_by_the_locked_compiler() -> None:
    assert ARTIFACT["compiler"].startswith(SDK_LOCK["node_modules/solc"]["version"] + "+")


def test_needs_no_opcode_newer_than_paris_so_that_every_chain_takes_it() -> None:
    assert ARTIFACT["settings"]["evmVersion"] == "paris"


@pytest.mark.parametrize(("name", "selector"), ERRORS.items())
def test_reverts_with_the_real_errors(name: str, selector: str) -> None:
    assert entry("error", name)["inputs"] == []
    assert keccak(text=f"{name}()")[:4].hex() == selector


@pytest.mark.parametrize(("name", "signature"), FUNCTIONS.items())
def test_offers_the_real_functions(name: str, signature: str) -> None:
    assert function_abi_to_4byte_selector(entry("function", name)) == keccak(text=signature)[:4]


def test_emits_the_real_event() -> None:
    event = entry("event", "PriceFeedUpdate")
    topic = "d06a6b7f4918494b3719217d1802786c1f5112a6c1d88fe2cfec00b4584f6aec"
    assert event_abi_to_log_topic(event).hex() == topic
    assert [each["name"] for each in event["inputs"] if each["indexed"]] == ["id"]
