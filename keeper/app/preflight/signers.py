"""Whether prices are signed by those who are to sign them."""

from collections.abc import Mapping

from keeper.app.preflight.finding import Finding, State, tried
from keeper.domain.accumulator import Update, decode
from keeper.domain.errors import InvalidUpdate
from keeper.domain.signers import ByContract, SignerCheck
from keeper.evm.chain import EvmChain
from keeper.pipeline.signatures import ContractSignatures, NamedSignatures, Signatures
from keeper.ports import Clock

SIGNERS = "signer set"
_DEADLINE_S = 3.0


async def check_signers(
    rule: SignerCheck | ByContract | None, samples: Mapping[str, bytes], chain: EvmChain, clock: Clock
) -> Finding:
    """In a price of each source: by HERMES_SIGNERS, or by those whom the contract names."""
    if not samples:
        return Finding(SIGNERS, State.SKIPPED, "there is no price to look at")
    updates = {source: decode(sample) for source, sample in samples.items()}
    if isinstance(rule, SignerCheck):
        return _checked(
            NamedSignatures(rule),
            updates,
            fine="prices are signed as HERMES_SIGNERS says",
            advice="check HERMES_SIGNERS and their order",
        )
    asking = chain.signers({update.signer_set for update in updates.values()})
    told = await tried(SIGNERS, asking, within_s=_DEADLINE_S)
    if isinstance(told, Finding):
        if rule is None:
            return Finding(SIGNERS, State.OK, "HERMES_SIGNERS is not set: who signs is for the contract to judge")
        return Finding(SIGNERS, State.WARN, f"{told.detail}: while that is so, no signatures are checked before pushes")
    signatures = ContractSignatures(rule or ByContract(), chain=chain, clock=clock)
    await signatures.heed(told)
    signers = len(told.sets[told.current].addresses)
    return _checked(
        signatures,
        updates,
        fine=f"prices are signed as the contract wants: by its set {told.current}, of {signers}",
        advice="the contract would refuse them: check HERMES_URL and CONTRACT_ADDRESS",
    )


def _checked(signatures: Signatures, updates: Mapping[str, Update], *, fine: str, advice: str) -> Finding:
    for source, update in updates.items():
        try:
            signatures.check(update)
        except InvalidUpdate as exc:
            return Finding(SIGNERS, State.FAIL, f"{source}: {exc}; {advice}")
    return Finding(SIGNERS, State.OK, fine)
