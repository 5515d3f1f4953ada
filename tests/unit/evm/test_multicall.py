"""Multicall3's ABI, against web3's own codec."""

import pytest
from eth_abi.abi import encode
from hypothesis import given
from hypothesis import strategies as st
from web3 import Web3

from keeper.domain.errors import Transient
from keeper.evm.multicall import Part, Told, aggregate3, get_block_number, get_eth_balance, read_number, read_results

ABI = [
    {
        "name": "aggregate3",
        "type": "function",
        "stateMutability": "payable",
        "inputs": [
            {
                "name": "calls",
                "type": "tuple[]",
                "components": [
                    {"name": "target", "type": "address"},
                    {"name": "allowFailure", "type": "bool"},
                    {"name": "callData", "type": "bytes"},
                ],
            }
        ],
        "outputs": [],
    },
    {
        "name": "getEthBalance",
        "type": "function",
        "stateMutability": "view",
        "inputs": [{"name": "addr", "type": "address"}],
        "outputs": [{"name": "balance", "type": "uint256"}],
    },
    {
        "name": "getBlockNumber",
        "type": "function",
        "stateMutability": "view",
        "inputs": [],
        "outputs": [{"name": "blockNumber", "type": "uint256"}],
    },
]
CONTRACT = Web3().eth.contract(abi=ABI)
ADDRESSES = st.binary(min_size=20, max_size=20).map(Web3.to_checksum_address)


def as_web3_has_it(name: str, *arguments: object) -> bytes:
    return bytes.fromhex(CONTRACT.encode_abi(name, args=list(arguments))[2:])


@given(st.lists(st.builds(Part, ADDRESSES, st.binary(max_size=100)), max_size=8))
def test_asks_as_web3_does_and_lets_every_read_fail_by_itself(parts: list[Part]) -> None:
    assert aggregate3(parts) == as_web3_has_it("aggregate3", [(part.target, True, part.calldata) for part in parts])


@given(ADDRESSES)
def test_asks_for_balance_and_block_as_web3_does(account: str) -> None:
    assert get_eth_balance(account) == as_web3_has_it("getEthBalance", account)
    assert get_block_number() == as_web3_has_it("getBlockNumber")


@given(st.lists(st.tuples(st.booleans(), st.binary(max_size=200)), max_size=8))
def test_reads_what_each_read_came_to(results: list[tuple[bool, bytes]]) -> None:
    returned = encode(["(bool,bytes)[]"], [results])
    assert read_results(returned, len(results)) == [Told(*result) for result in results]


@given(st.binary(max_size=300))
def test_never_takes_anything_else_for_an_answer(returned: bytes) -> None:
    with pytest.raises(Transient, match="MULTICALL_ADDRESS"):
        read_results(returned, 3)


@given(st.integers(0, 2**256 - 1))
def test_reads_numbers(number: int) -> None:
    assert read_number(Told(succeeded=True, data=number.to_bytes(32))) == number


@pytest.mark.parametrize("told", [Told(False, bytes(32)), Told(True, b""), Told(True, bytes(33))])
def test_takes_nothing_else_for_a_number(told: Told) -> None:
    with pytest.raises(Transient):
        read_number(told)
