"""What is known of chains is sound, and saves the operator the contract's address."""

import pytest
from eth_utils.address import is_checksum_address

from keeper.app.chains import CHAINS
from keeper.app.network_lines import network_line
from keeper.app.problems import SettingsError
from tests.support.settings import network

POLYGON = 137
BASE = 8453
ARBITRUM = 42161


@pytest.mark.parametrize("chain_id", CHAINS)
def test_addresses_are_checksummed_and_names_are_fit_for_a_network(chain_id: int) -> None:
    chain = CHAINS[chain_id]
    assert is_checksum_address(chain.core)
    assert chain.compatible is None or is_checksum_address(chain.compatible)
    assert network({"NETWORK_NAME": chain.name}).network_name == chain.name


def test_no_two_chains_have_one_name() -> None:
    assert len({chain.name for chain in CHAINS.values()}) == len(CHAINS)


@pytest.mark.parametrize("word", ["", "core", "CORE"])
def test_the_contract_of_a_known_chain_is_pyth_core_unless_it_is_said_otherwise(word: str) -> None:
    assert network({"CHAIN_ID": str(BASE), "CONTRACT_ADDRESS": word}).contract_address == CHAINS[BASE].core


def test_the_compatible_contract_is_known_by_its_word() -> None:
    environ = {"CHAIN_ID": str(POLYGON), "CONTRACT_ADDRESS": "compatible"}
    assert network(environ).contract_address == CHAINS[POLYGON].compatible


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"CONTRACT_ADDRESS": ""}, "CONTRACT_ADDRESS is missing: set it, for instance to 0x4305"),
        ({"CONTRACT_ADDRESS": "", "CHAIN_ID": "31337"}, "the contracts are known of these chains, by CHAIN_ID: 1, "),
        ({"CONTRACT_ADDRESS": "core"}, "CONTRACT_ADDRESS in the environment: the contracts are known of these chains"),
        ({"CONTRACT_ADDRESS": "compatible", "CHAIN_ID": str(BASE)}, "of base only the Pyth Core contract is known"),
        ({"CONTRACT_ADDRESS": "corr"}, "is not an address"),
    ],
)
def test_tells_what_is_wrong_with_the_contract(environ: dict[str, str], words: str) -> None:
    with pytest.raises(SettingsError) as raised:
        network(environ)
    (line,) = raised.value.lines
    assert words in line


def test_nobody_is_outbid_where_the_sequencer_serves_first_come_first() -> None:
    assert not network({"CHAIN_ID": str(ARBITRUM)}).outbids
    assert network({"CHAIN_ID": str(BASE)}).outbids
    assert network().outbids


def test_what_is_known_of_a_chain_is_listed_and_is_where_learning_begins() -> None:
    line = network_line(network({"CHAIN_ID": str(BASE)}))
    assert (line["chain"], line["block_time_s"], line["fees"]) == ("base", 2, "eip1559 and a share of L1")
    line = network_line(network({"CHAIN_ID": "31337"}))
    assert (line["chain"], line["block_time_s"], line["fees"]) == (None, None, None)
