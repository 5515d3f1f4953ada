"""What the contract says of itself, and what has changed of that."""

from collections.abc import Iterator

from keeper.domain.events import ContractChanged
from keeper.ports import ChainState, Emit, Glance


class ContractWatch:
    """Told by the contract's own events, and by what polls find."""

    def __init__(self, *, network: str, tell: Emit) -> None:
        self._network = network
        self._tell = tell
        self._last: Glance | None = None
        self._signer_set: int | None = None
        self._implementation = ""
        self.changed = ""
        """What has, as long as no push was tried for free since and taken; empty otherwise."""

    def told(self, name: str, block: int) -> None:
        """The contract told that it was changed."""
        self.changed = name
        self._tell(ContractChanged(self._network, name, block))

    def saw(self, glance: Glance, *, signer_set: int | None) -> None:
        """A poll, and the number of the signer set that the contract trusts now, where that is known."""
        for what in self._differences(glance):
            self.told(what, glance.block)
        if signer_set is not None:
            if self._signer_set not in {None, signer_set}:
                self.told(f"signer set {self._signer_set} -> {signer_set}", glance.block)
            self._signer_set = signer_set
        if isinstance(glance, ChainState) and glance.implementation:
            if self._implementation not in {"", glance.implementation}:
                self.told(f"implementation {self._implementation} -> {glance.implementation}", glance.block)
            self._implementation = glance.implementation
        self._last = glance

    def tried(self, refusal: str) -> str:
        """A push was tried for free; returns what is wrong with the contract, empty if it takes it."""
        if not refusal:
            self.changed = ""
            return ""
        return f"the contract has changed ({self.changed}), and refuses pushes: {refusal}" if self.changed else ""

    def explain(self, problem: str) -> str:
        """A problem, with the change that may be its cause."""
        return f"{problem} (the contract has changed: {self.changed})" if self.changed else problem

    def _differences(self, glance: Glance) -> Iterator[str]:
        last = self._last
        if last is None:
            return
        if last.version and glance.version and last.version != glance.version:
            yield f"version {last.version} -> {glance.version}"
        if last.valid_period_s and glance.valid_period_s and last.valid_period_s != glance.valid_period_s:
            yield f"valid period {last.valid_period_s} s -> {glance.valid_period_s} s"
        if last.update_fee and glance.update_fee and last.update_fee != glance.update_fee:
            yield f"update fee {last.update_fee.per_message} -> {glance.update_fee.per_message} wei a message"
