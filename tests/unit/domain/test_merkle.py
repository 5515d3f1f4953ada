"""The Merkle tree, against hashes the world knows and trees built elsewhere."""

from hypothesis import given
from hypothesis import strategies as st

from keeper.domain.merkle import leaf_hash, node_hash, root_of
from tests.support.updates import keccak256, merkle_tree

NODES = st.binary(min_size=20, max_size=20)


def test_hashes_an_empty_leaf_to_the_known_hash_of_a_zero_byte() -> None:
    assert leaf_hash(b"").hex() == "bc36789e7a1e281436464229828f817d6612f7b4"


def test_hashes_messages_of_every_length_like_another_implementation() -> None:
    messages = [bytes(range(256))[:length] + bytes(max(length - 256, 0)) for length in range(300)]
    assert [leaf_hash(each) for each in messages] == [keccak256(b"\x00" + each)[:20] for each in messages]


@given(NODES, NODES)
def test_hashes_siblings_in_either_order_the_lower_first(first: bytes, second: bytes) -> None:
    expected = keccak256(b"\x01" + min(first, second) + max(first, second))[:20]
    assert node_hash(first, second) == node_hash(second, first) == expected


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=33))
def test_leads_every_message_of_a_tree_to_its_root(messages: list[bytes]) -> None:
    root, proofs = merkle_tree(messages)
    assert {root_of(message, proof) for message, proof in zip(messages, proofs, strict=True)} == {root}


@given(messages=st.lists(st.binary(max_size=40), min_size=2, max_size=9), stranger=st.binary(max_size=40))
def test_leads_no_stranger_to_the_root(messages: list[bytes], stranger: bytes) -> None:
    root, proofs = merkle_tree(messages)
    for message, proof in zip(messages, proofs, strict=True):
        assert (root_of(stranger, proof) == root) is (stranger == message)


@given(NODES, NODES)
def test_takes_no_inner_node_for_a_message(first: bytes, second: bytes) -> None:
    pair = min(first, second) + max(first, second)
    assert leaf_hash(pair) != node_hash(first, second)
