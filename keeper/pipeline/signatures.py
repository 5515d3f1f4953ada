"""Whose signatures are wanted before an update is paid for, by the settings or by the contract's own word."""

from collections.abc import Collection

from keeper.domain.accumulator import Update
from keeper.domain.errors import InvalidUpdate, KeeperError
from keeper.domain.signers import ByContract, ContractSigners, NumberedSet, SignerCheck, SignerSet, majority
from keeper.domain.status import SignersStatus
from keeper.ports import Chain, Clock

_ASK_AGAIN_S = 10.0
"""Between two questions that updates give rise to, whatever sources send."""
_MOST_SETS = 16
_NAMED_BY = "the contract trusts"


class Signatures:
    """Checks none: that is for the contract."""

    def check(self, update: Update) -> None:
        """Raise InvalidUpdate where signatures are wanted that it does not carry, as far as that is known."""

    async def settle(self, update: Update) -> bool:  # noqa: ARG002 - for those who look
        """Find out whose signatures are wanted on it, where that is not known; whether that has told anything new."""
        return False

    async def heed(self, told: ContractSigners | None) -> None:
        """A poll told who signs, or nothing."""

    @property
    def current(self) -> int | None:
        """The number of the contract's current set, where that is asked for and known."""
        return None

    def status(self) -> SignersStatus | None:
        """Whose signatures are wanted now; None where the contract alone judges."""
        return None


class NamedSignatures(Signatures):
    """Checks those of the signers that the settings name."""

    def __init__(self, check: SignerCheck) -> None:
        self._check = check

    def check(self, update: Update) -> None:
        """See Signatures."""
        self._check.check(update)

    def status(self) -> SignersStatus:
        """See Signatures."""
        signers = self._check.signers
        return SignersStatus("settings", None, len(signers.addresses), signers.quorum)


class ContractSignatures(Signatures):
    """Checks those of the signers that the contract names: told by every poll, asked for where an update names others.

    What is not known is for the contract to judge: that the chain cannot be asked holds up no push.
    """

    def __init__(self, rule: ByContract, *, chain: Chain, clock: Clock) -> None:
        self._rule = rule
        self._chain = chain
        self._clock = clock
        self._current: int | None = None
        self._sets: dict[int, NumberedSet] = {}
        self._checks: dict[int, SignerCheck] = {}
        self._ask_at = 0.0
        self._trouble = "the contract was not asked yet"

    def check(self, update: Update) -> None:
        """See Signatures; by the set that the update names."""
        number = update.signer_set
        known = self._sets.get(number)
        if known is None:
            return
        if not known.addresses:
            raise InvalidUpdate(f"the contract knows no signer set {number}")
        if number != self._current and known.expires_at < self._clock.now():
            raise InvalidUpdate(
                f"signer set {number} is one of the past for the contract, which trusts {self._current}"
            )
        self._checks[number].check(update)

    async def settle(self, update: Update) -> bool:
        """See Signatures: a set that the contract did not know before may have come since."""
        number = update.signer_set
        now = self._clock.monotonic()
        known = self._sets.get(number)
        if (known is not None and known.addresses) or now < self._ask_at:
            return False
        self._ask_at = now + _ASK_AGAIN_S
        await self._ask({number})
        return self._sets.get(number) != known

    async def heed(self, told: ContractSigners | None) -> None:
        """See Signatures; without an answer in the poll they are asked for by themselves."""
        if told is None:
            await self._ask(())
        else:
            self._learn(told)

    @property
    def current(self) -> int | None:
        """See Signatures."""
        return self._current

    def status(self) -> SignersStatus:
        """See Signatures."""
        addresses = () if self._current is None else self._sets[self._current].addresses
        quorum = self._quorum(addresses) if addresses else None
        return SignersStatus("contract", self._current, len(addresses), quorum, self._trouble)

    async def _ask(self, named: Collection[int]) -> None:
        try:
            self._learn(await self._chain.signers(named))
        except KeeperError as exc:
            self._trouble = str(exc)

    def _learn(self, told: ContractSigners) -> None:
        if told.current != self._current or len(self._sets) > _MOST_SETS:
            self._sets.clear()
        for number, signers in told.sets.items():
            if number not in self._checks or self._sets.get(number) != signers:
                quorum = self._quorum(signers.addresses)
                self._checks[number] = SignerCheck(SignerSet(signers.addresses, quorum, _NAMED_BY))
            self._sets[number] = signers
        self._checks = {number: self._checks[number] for number in self._sets}
        self._current, self._trouble = told.current, ""

    def _quorum(self, addresses: Collection[bytes]) -> int:
        return self._rule.quorum or majority(tuple(addresses))


def signatures(rule: SignerCheck | ByContract | None, *, chain: Chain, clock: Clock) -> Signatures:
    """What checks signatures by that rule."""
    match rule:
        case None:
            return Signatures()
        case SignerCheck():
            return NamedSignatures(rule)
        case ByContract():
            return ContractSignatures(rule, chain=chain, clock=clock)
