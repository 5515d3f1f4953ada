"""How much gas a push takes: a model from measurements of the real contract, corrected by what receipts say.

Measured with one signature and proofs of 12 nodes: an update of 1 / 10 / 100 feeds takes 95k / 328k / 2.7M; a feed that
was never written costs 34k more; each further signature 8k; conditions 2.5k, and 0.7k each.
"""

from dataclasses import dataclass

from keeper.domain.units import MILLION, Gas

FIXED = Gas(69_000)
"""Of a push as such: the transaction, the envelope, one signature."""
PER_FEED = Gas(26_000)
PER_FIRST_WRITE = Gas(34_000)
"""On top, for a feed the contract has never stored."""
PER_SIGNATURE = Gas(8_000)
"""For each after the first."""
CONDITIONAL = Gas(2_500)
"""Of a push with conditions as such."""
PER_CONDITION = Gas(700)

TRANSACTION_CAP = Gas(2**24)
"""The most gas one transaction may ask for (EIP-7825)."""

_MARGIN = 1_250_000
_HEADROOM = Gas(20_000)


@dataclass(frozen=True, slots=True)
class PushShape:
    """What the gas of a push depends on."""

    feeds: int
    first_writes: int
    blobs: int
    signatures: int
    """Of one blob."""
    conditions: int = 0
    """Feeds that are compared with the chain before anything is written."""


def model(shape: PushShape) -> Gas:
    """Gas by the measured model, before any correction."""
    per_blob = FIXED // 2 + PER_SIGNATURE * (shape.signatures - 1)
    conditions = CONDITIONAL + PER_CONDITION * shape.conditions if shape.conditions else 0
    feeds = PER_FEED * shape.feeds + PER_FIRST_WRITE * shape.first_writes
    return Gas(FIXED // 2 + per_blob * shape.blobs + feeds + conditions)


@dataclass(frozen=True, slots=True)
class GasPredictor:
    """The model times what this chain was seen to use of it; a value: `learned` gives the next one."""

    correction: int = MILLION
    """Gas used over gas by the model, in ppm."""

    def expected(self, shape: PushShape) -> Gas:
        """What the push will probably use."""
        return Gas(model(shape) * self.correction // MILLION)

    def limit(self, shape: PushShape) -> Gas:
        """The gas limit to send it with: unused gas is not paid for, so the margin is wide."""
        return Gas(self.expected(shape) * _MARGIN // MILLION + _HEADROOM)

    def learned(self, shape: PushShape, used: Gas) -> "GasPredictor":
        """After a push that wrote all its feeds, or an estimate of one: up at once, down by an eighth of the way.

        One that wrote less used less, and would teach limits too low for those to come.
        """
        seen = used * MILLION // model(shape)
        if seen >= self.correction:
            return GasPredictor(seen)
        return GasPredictor(self.correction - (self.correction - seen) // 8)
