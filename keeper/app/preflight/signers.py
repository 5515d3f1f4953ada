"""Whether prices are signed by those who are to sign them."""

from collections.abc import Mapping

from keeper.app.preflight.finding import Finding, State
from keeper.domain.accumulator import decode
from keeper.domain.errors import InvalidUpdate
from keeper.domain.signers import SignerCheck

SIGNERS = "signer set"


def check_signers(signers: SignerCheck | None, samples: Mapping[str, bytes]) -> Finding:
    """By HERMES_SIGNERS, in a price of each source; without them by the contract alone."""
    if signers is None:
        return Finding(SIGNERS, State.OK, "HERMES_SIGNERS is not set: who signs is for the contract to judge")
    if not samples:
        return Finding(SIGNERS, State.SKIPPED, "there is no price to look at")
    for source, sample in samples.items():
        try:
            signers.check(decode(sample))
        except InvalidUpdate as exc:
            return Finding(SIGNERS, State.FAIL, f"{source}: {exc}; check HERMES_SIGNERS and their order")
    return Finding(SIGNERS, State.OK, "prices are signed as HERMES_SIGNERS says")
