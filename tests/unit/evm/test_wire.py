"""JSON-RPC messages and hex, whatever a node sends."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.domain.errors import Transient, Uncertain
from keeper.evm.wire import BatchRefused, Call, ErrorAnswer, decode, encode, in_order, notice, octets, quantity, to_hex


def test_one_call_is_an_object_and_several_are_a_batch() -> None:
    call = Call("eth_getBalance", ("0xab", "latest"))
    request = {"jsonrpc": "2.0", "id": 7, "method": "eth_getBalance", "params": ["0xab", "latest"]}
    assert json.loads(encode([call], [7])) == request
    assert json.loads(encode([call, call], [7, 8])) == [request, request | {"id": 8}]


def test_reads_results_errors_and_notifications() -> None:
    body = b"""[{"jsonrpc":"2.0","id":1,"result":null},
        {"jsonrpc":"2.0","id":2,"error":{"code":3,"message":"execution reverted","data":"0x"}},
        {"jsonrpc":"2.0","method":"eth_subscription","params":{}}]"""
    result, error, notification = decode(body)
    assert (result.id, result.result, result.error) == (1, None, None)
    assert error.error == ErrorAnswer(3, "execution reverted", "0x")
    assert notification.method == "eth_subscription"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"{}",
        b'{"id":1}',
        b'{"message":"no route"}',
        b"<html>",
        b"[1]",
        b'{"id":1,"error":"text"}',
        b"\xff",
        b'{"id":1,"result":"\xff"}',
        pytest.param(b'{"id":1,"result":' + b"[" * 100_000, id="deep and open"),
        pytest.param(b'{"id":1,"result":' + b"[" * 100 + b"]" * 100 + b"}", id="deep and closed"),
    ],
)
def test_what_is_no_json_rpc_is_uncertain(body: bytes) -> None:
    with pytest.raises(Uncertain):
        decode(body)


@given(
    st.binary() | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(lambda v: json.dumps(v).encode())
)
def test_hostile_bodies_raise_nothing_else(body: bytes) -> None:
    try:
        decode(body)
    except Uncertain:
        return


@pytest.mark.parametrize("params", [b"{}", b'{"subscription":"0x1"}', b'{"subscription":"0x1","result":"\xff"}'])
def test_a_notification_that_cannot_be_read_tells_nothing(params: bytes) -> None:
    (message,) = decode(b'{"method":"eth_subscription","params":' + params + b"}")
    assert notice(message) is None


def test_responses_are_put_into_the_order_of_the_ids() -> None:
    responses = decode(b'[{"id":2,"result":"b"},{"id":1,"result":"a"},{"id":9,"result":"x"}]')
    assert [response.result for response in in_order(responses, [1, 2])] == ["a", "b"]


def test_a_missing_response_is_uncertain() -> None:
    with pytest.raises(Uncertain, match="incomplete"):
        in_order(decode(b'[{"id":2,"result":"b"},{"id":3,"result":"c"}]'), [1, 2])


def test_a_single_answer_to_a_batch_refuses_it() -> None:
    with pytest.raises(BatchRefused):
        in_order(decode(b'{"id":null,"error":{"code":-32600,"message":"no batches"}}'), [1, 2])


def test_an_error_to_a_single_call_may_lack_the_id() -> None:
    (response,) = in_order(decode(b'{"id":null,"error":{"code":-32700,"message":"parse error"}}'), [1])
    assert response.error is not None


@given(st.integers(0, 2**256 - 1))
def test_quantities_are_read_back(number: int) -> None:
    assert quantity(hex(number)) == number


@given(st.binary())
def test_bytes_are_read_back(data: bytes) -> None:
    assert octets(to_hex(data)) == data


@pytest.mark.parametrize("value", [None, 5, "", "5", "0x", "0xzz", ["0x1"]])
def test_anything_else_is_no_quantity(value: object) -> None:
    with pytest.raises(Transient, match="where a number is due"):
        quantity(value)


@pytest.mark.parametrize("value", [None, 5, "", "5", "0x1", "0xzz", {}])
def test_anything_else_is_no_bytes(value: object) -> None:
    with pytest.raises(Transient, match="where bytes are due"):
        octets(value)
