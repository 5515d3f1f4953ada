"""What `keeper devnet contract` says of input that cannot be used: before it talks to any node."""

from pathlib import Path

import pytest

from keeper.cli import main
from keeper.domain.errors import UsageError
from keeper.domain.units import Wei
from keeper.lab.contract import ContractTerms
from keeper.lab.hermes.updates import Emitter
from tests.support.pyth_contract import BYTECODE, Terms
from tests.support.updates import ADDRESSES

A, B = ("0x" + address.hex() for address in ADDRESSES[:2])
GOOD = {"--rpc": "http://127.0.0.1:1", "--signers": f"{A},{B}", "--quorum": "2"}


def complaint(capsys: pytest.CaptureFixture[str], **changed: str) -> str:
    """What the command says on stderr, with these options changed; it must end with 2 and print nothing else."""
    options = GOOD | {f"--{name.replace('_', '-')}": value for name, value in changed.items()}
    try:
        code = main(["devnet", "contract", *(word for option in options.items() for word in option)])
    except SystemExit as exc:
        code = exc.code  # type: ignore[assignment]
    told = capsys.readouterr()
    assert (code, told.out) == (2, "")
    return told.err


@pytest.mark.parametrize(
    ("option", "value", "complaint_of"),
    [
        ("rpc", "127.0.0.1:8545", "--rpc: a URL such as http://127.0.0.1:8545 is wanted"),
        ("rpc", "ftp://127.0.0.1", "--rpc: a URL such as"),
        ("rpc", "http://127.0.0.1:99999", "--rpc: a URL such as"),
        ("signers", "0x1234", "--signers: one is not an address"),
        ("signers", f"{A},0x{'00' * 20}", "the zero address cannot sign"),
        ("signers", f"{A},{A.upper().replace('X', 'x')}", "a signer is given twice"),
        ("signers", ",", "0 signers: give 1 to 255"),
        ("signers", A.replace("f39fd6", "F39fd6"), "--signers: one is mistyped, by its checksum"),
        ("quorum", "3", "the quorum 3 is out of range: give 1 to 2"),
        ("quorum", "0", "the quorum 0 is out of range"),
        ("quorum", "two", "argument --quorum: invalid int value"),
        ("fee", "-1", "the update fee -1 is out of range"),
        ("signer_set_index", "4294967296", "the signer set index 4294967296 is out of range"),
        ("emitter_chain", "65536", "the emitter chain 65536 is out of range"),
        ("emitter", "0xe1", "an emitter address of 1 bytes: 32 are wanted"),
        ("emitter", "pythnet", "--emitter: 64 hex digits are wanted"),
        ("valid_period", "-5", "the valid period -5 is out of range"),
        ("private_key_file", "/no/such/file", "--private-key-file: names a file that cannot be read"),
    ],
)
def test_says_what_is_wrong(capsys: pytest.CaptureFixture[str], option: str, value: str, complaint_of: str) -> None:
    assert complaint_of in complaint(capsys, **{option: value})


def test_never_shows_a_key_that_is_no_key(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    secret = "ab" * 31
    (tmp_path / "key").write_text(secret)
    monkeypatch.setenv("DEPLOYER_KEY", secret)
    for told in (complaint(capsys), complaint(capsys, private_key_file=str(tmp_path / "key"))):
        assert "private key must be 64 hex digits" in told
        assert secret not in told


def test_appends_the_terms_to_the_creation_code() -> None:
    emitter = Emitter(1, bytes(31) + b"\x07")
    terms = ContractTerms(
        signers=[A, B], quorum=2, signer_set_index=4, emitter=emitter, update_fee=Wei(9), valid_period_s=8
    )
    same = Terms(
        signers=[A, B], quorum=2, signer_set=4, emitter_chain=1, emitter=emitter.address, fee=9, valid_period=8
    )
    assert terms.creation_code() == BYTECODE + same.encode()


def test_takes_a_full_set_of_signers_and_no_more() -> None:
    signers = [f"0x{number:040x}" for number in range(1, 257)]
    ContractTerms(signers=signers[:255], quorum=255)
    with pytest.raises(UsageError, match="256 signers"):
        ContractTerms(signers=signers, quorum=1)
