"""What is critical: states of the keeper that cost freshness or money until somebody acts."""

from collections.abc import Iterator
from dataclasses import dataclass

from keeper.domain.budget import FREELY, SpendLimit
from keeper.domain.status import (
    MAX_CONSECUTIVE_FAILURES,
    KeeperStatus,
    NetworkStatus,
    SourceState,
    SourceStatus,
)

_DAY_S = 86_400
_LONGEST_WAIT_S = 60
_REFUSED = {SourceState.UNAUTHORIZED, SourceState.NOT_ENTITLED}
_DELIVERING = {SourceState.STREAMING, SourceState.POLLING}


@dataclass(frozen=True, slots=True)
class Condition:
    """One of them, while it holds."""

    name: str
    """What it is called everywhere: as in prometheus/alerts.yaml, where it has an alert there."""
    subject: str
    """The network or source; empty for the whole process."""
    text: str
    patience_s: float = 0.0
    """It is told once it has held for so long."""

    @property
    def key(self) -> tuple[str, str]:
        """The same for as long as it holds, whatever its text says."""
        return self.name, self.subject


def conditions(status: KeeperStatus) -> Iterator[Condition]:
    """All that hold now."""
    yield from _sources(status.sources)
    for network in status.networks:
        yield from _network(network)


def _sources(sources: tuple[SourceStatus, ...]) -> Iterator[Condition]:
    for source in sources:
        if source.state in _REFUSED:
            text = f"{source.name} says {source.state.value} to our API key: {source.detail}"
            yield Condition("SourceUnauthorized", source.name, text, patience_s=60)
    if sources and not any(source.state in _DELIVERING for source in sources):
        told = "; ".join(f"{source.name}: {source.detail or source.state.value}" for source in sources)
        yield Condition("AllSourcesLost", "", f"no source delivers prices: {told}", patience_s=30)


def _network(network: NetworkStatus) -> Iterator[Condition]:
    name = network.name
    if network.endpoints and not any(endpoint.healthy for endpoint in network.endpoints):
        told = "; ".join(f"{each.name}: {each.detail or 'does not answer'}" for each in network.endpoints)
        yield Condition("AllRpcEndpointsDown", name, f"no RPC endpoint of {name} answers: {told}", patience_s=15)
    if not network.ready:
        yield Condition("NetworkNotReady", name, f"{name} is not ready: {network.detail}", patience_s=120)
    if network.consecutive_failures >= MAX_CONSECUTIVE_FAILURES:
        text = f"{network.consecutive_failures} pushes in a row have failed on {name}: {network.detail}"
        yield Condition("ConsecutiveFailures", name, text)
    if network.longest_wait_s > _LONGEST_WAIT_S:
        yield Condition("PushUnresolved", name, f"a transaction on {name} has not been mined for over a minute")
    if network.leadership.trouble:
        text = f"it cannot be told who may send for {name}: {network.leadership.trouble}"
        yield Condition("LeadershipUnknown", name, text, patience_s=15)
    yield from _money(network)


def _money(network: NetworkStatus) -> Iterator[Condition]:
    name, spending = network.name, network.spending
    allowance = spending.allowance
    if allowance != FREELY and allowance.limit is SpendLimit.DAILY_BUDGET:
        yield Condition("BudgetSpent", name, f"{name} has spent the day's budget ({allowance.mode.value})")
    if allowance != FREELY and allowance.limit is SpendLimit.LOW_BALANCE:
        text = f"the account {network.account} of {name} runs dry ({allowance.mode.value}): send coins"
        yield Condition("LowBalance", name, text)
    if spending.runway_s is not None and spending.runway_s < _DAY_S:
        hours = spending.runway_s / 3600
        text = f"the account {network.account} of {name} is empty in {hours:.1f} h: send coins"
        yield Condition("ShortRunway", name, text, patience_s=60)
