"""Whose signatures updates must carry: the check that the contract makes, made before it is paid for."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from keeper.domain.accumulator import Update
from keeper.domain.errors import InvalidUpdate
from keeper.domain.vaa import Vaa, recover_signers

_REMEMBERED = 64
_NOBODY = bytes(20)


@dataclass(frozen=True, slots=True)
class SignerSet:
    """Signers by their index, and how many of them must have signed."""

    addresses: tuple[bytes, ...]
    """20 bytes each; zero where nobody sits."""
    quorum: int
    named_by: str = "HERMES_SIGNERS names"
    """Whose word it is, for errors."""

    def check(self, vaa: Vaa) -> None:
        """Raise InvalidUpdate unless enough of them signed, each once and in order, and nobody else did."""
        indexes = [signature.signer_index for signature in vaa.signatures]
        if len(indexes) < self.quorum:
            raise InvalidUpdate(f"{len(indexes)} signatures, and {self.quorum} are wanted")
        if indexes != sorted(set(indexes)):
            raise InvalidUpdate("its signatures are not in order, or one comes twice")
        for index, address in recover_signers(vaa).items():
            if address == _NOBODY or index >= len(self.addresses) or self.addresses[index] != address:
                raise InvalidUpdate(f"signature {index} is not by a signer that {self.named_by}")


@dataclass(frozen=True, slots=True)
class NumberedSet:
    """A signer set as the contract keeps it."""

    addresses: tuple[bytes, ...]
    """20 bytes each; none where the contract knows no set of that number."""
    expires_at: int = 0
    """Unix seconds; says nothing of the current set."""


@dataclass(frozen=True, slots=True)
class ContractSigners:
    """Who signs by the contract's own word."""

    current: int
    """The number of the set that signs now."""
    sets: Mapping[int, NumberedSet]
    """Those that were asked for, by number; the current one is among them."""


@dataclass(frozen=True, slots=True)
class ByContract:
    """Signatures are to be checked against whom the contract names."""

    quorum: int | None = None
    """So many of them; None is more than half."""


def majority(signers: Sequence[bytes]) -> int:
    """More than half."""
    return len(signers) // 2 + 1


class SignerCheck:
    """Checks each envelope once, however many updates are sliced out of it."""

    def __init__(self, signers: SignerSet) -> None:
        self.signers = signers
        self._verdicts: OrderedDict[bytes, str] = OrderedDict()

    def check(self, update: Update) -> None:
        """Raise InvalidUpdate unless the signers' signatures are good."""
        envelope = update.blob[update.vaa_start : update.messages_start]
        verdict = self._verdicts.get(envelope)
        if verdict is None:
            verdict = self._verdicts[envelope] = self._verdict(update)
            if len(self._verdicts) > _REMEMBERED:
                self._verdicts.popitem(last=False)
        if verdict:
            raise InvalidUpdate(verdict)

    def _verdict(self, update: Update) -> str:
        try:
            self.signers.check(update.vaa())
        except InvalidUpdate as exc:
            return str(exc)
        return ""
