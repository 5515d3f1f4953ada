"""Two endpoints, one of them ill, the other a real node: nothing that is asked goes unanswered."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from time import monotonic

import pytest

from keeper.domain.errors import Transient, Uncertain
from keeper.domain.fees import GasOffer
from keeper.domain.transaction import SignedTransaction, Transaction
from keeper.domain.units import Gas, Wei
from keeper.evm.chain import EvmChain
from keeper.evm.rpc import READ_TIMEOUT_S, RpcPool, transport
from keeper.lab.anvil import DEV_PRIVATE_KEY, Anvil
from keeper.signing.raw_key import RawKeySigner
from tests.support.clock import LoopClock
from tests.support.node import Node
from tests.support.proxy import FaultyProxy
from tests.support.scripted_node import Fault, ScriptedNode
from tests.support.served_node import KEY, ServedNode
from tests.support.waiting import wait_until

SIGNER = RawKeySigner(DEV_PRIVATE_KEY)
NO_CONTRACT = "0x" + "22" * 20
ON_REQUEST = [Fault.CUTS, Fault.BABBLES]
ON_CONNECT = [Fault.BREAKS, Fault.THROTTLES, Fault.LOCKS_OUT]


async def signed_transfer(nonce: int, *, chain_id: int = 31337) -> SignedTransaction:
    return await SIGNER.sign(
        Transaction(
            chain_id=chain_id,
            nonce=nonce,
            offer=GasOffer(Wei(10**10), Wei(10**9)),
            gas_limit=Gas(21_000),
            to=b"\x11" * 20,
            value=Wei(1),
            data=b"",
        )
    )


@asynccontextmanager
async def chain_over(chain_id: int | None = None, **urls: str) -> AsyncIterator[EvmChain]:
    """Endpoints by name, in this order."""
    pool = RpcPool([transport(name, url) for name, url in urls.items()], clock=LoopClock(), chain_id=chain_id)
    try:
        yield EvmChain(pool, contract=NO_CONTRACT, account=SIGNER.address)
    finally:
        await pool.close()


@pytest.fixture
async def ill() -> ScriptedNode:
    return ScriptedNode()


@pytest.fixture
async def server(ill: ScriptedNode) -> AsyncIterator[ServedNode]:
    async with ServedNode(ill) as running:
        yield running


@pytest.fixture(params=["http", "ws"])
async def chain(request: pytest.FixtureRequest, server: ServedNode, anvil: Anvil) -> AsyncIterator[EvmChain]:
    """The ill node first, over either transport, then Anvil."""
    async with chain_over(ill=server.http_url if request.param == "http" else server.ws_url, well=anvil.url) as built:
        yield built


@pytest.mark.parametrize("fault", ON_REQUEST)
async def test_the_next_endpoint_takes_over_within_the_same_call(
    chain: EvmChain, ill: ScriptedNode, fault: Fault
) -> None:
    await chain.connect()
    ill.fault = fault
    assert await chain.broadcast(await signed_transfer(0)) == "well"
    assert (await chain.read([])).balance > 0


@pytest.mark.parametrize("fault", ON_CONNECT)
async def test_an_endpoint_that_lets_nobody_in_is_passed_over(chain: EvmChain, ill: ScriptedNode, fault: Fault) -> None:
    ill.fault = fault
    await chain.connect()
    assert await chain.broadcast(await signed_transfer(0)) == "well"
    assert (await chain.read([])).balance > 0


async def test_a_node_that_is_gone_costs_no_answer(chain: EvmChain, server: ServedNode) -> None:
    await chain.connect()
    await server.stop()
    assert await chain.broadcast(await signed_transfer(0)) == "well"
    assert [status.healthy for status in chain.endpoints()] == [False, True]


async def test_a_node_that_hangs_costs_its_deadline_once(chain: EvmChain, ill: ScriptedNode) -> None:
    await chain.connect()
    ill.fault = Fault.HANGS
    assert await chain.broadcast(await signed_transfer(0)) == "well"
    started = monotonic()
    for _ in range(3):
        assert (await chain.read([])).balance > 0
    assert monotonic() - started < 3 * READ_TIMEOUT_S


async def test_a_node_of_another_chain_is_left_out(server: ServedNode, ill: ScriptedNode, anvil: Anvil) -> None:
    ill.chain_id = 1
    async with chain_over(ill=server.http_url, well=anvil.url, chain_id=31337) as chain:
        assert await chain.connect() == 31337
        assert await chain.broadcast(await signed_transfer(0)) == "well"
    assert ill.methods().keys() == {"eth_chainId", "eth_blockNumber"}


@pytest.mark.parametrize("fault", [*ON_REQUEST, *ON_CONNECT])
async def test_no_message_holds_the_key_of_a_url(server: ServedNode, ill: ScriptedNode, fault: Fault) -> None:
    ill.fault = fault
    async with chain_over(ill=server.http_url) as chain:
        with pytest.raises(Transient) as failed:
            await chain.connect()
        assert "ill: " in str(failed.value)
        assert KEY not in f"{failed.value} {chain.endpoints()}"


async def test_a_broadcast_whose_answer_is_lost_is_uncertain_and_known_when_sent_again(anvil: Anvil) -> None:
    signed = await signed_transfer(0)
    async with Node(anvil.url) as node, FaultyProxy(anvil.port) as proxy, chain_over(cut=proxy.url) as chain:
        await node.request("evm_setAutomine", False)
        await chain.connect()
        proxy.cuts_left = 2
        with pytest.raises(Uncertain):
            await chain.broadcast(signed)
        assert await chain.broadcast(signed) == "cut"
        await node.request("anvil_mine", "0x1")
        await wait_until(lambda: _is_mined(chain, signed))


async def test_a_transaction_that_landed_without_an_answer_is_not_told_as_refused(anvil: Anvil) -> None:
    """The node takes the bytes and mines them; asked once more it may find their nonce too low."""
    signed = await signed_transfer(0)
    async with FaultyProxy(anvil.port) as proxy, chain_over(cut=proxy.url) as chain:
        await chain.connect()
        proxy.cuts_left = 1
        with suppress(Uncertain):
            await chain.broadcast(signed)
        await wait_until(lambda: _is_mined(chain, signed))


async def _is_mined(chain: EvmChain, signed: SignedTransaction) -> bool:
    return await chain.receipt(signed.hash) is not None
