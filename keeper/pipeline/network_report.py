"""How one network stands: made as somebody reads."""

from dataclasses import dataclass

from eth_utils.address import to_checksum_address

from keeper.domain.status import Following, NetworkStatus
from keeper.domain.transaction import Outcome
from keeper.pipeline.config import NetworkConfig
from keeper.pipeline.feed_report import FeedReport
from keeper.pipeline.freshness import Freshness
from keeper.pipeline.governor import Governor
from keeper.pipeline.ledger import Ledger
from keeper.pipeline.signatures import Signatures
from keeper.pipeline.submitter import Submitter
from keeper.pipeline.tracker import OnChainView
from keeper.pipeline.trust import Trust
from keeper.pipeline.upkeep import Upkeep
from keeper.ports import Outside


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkReport:
    """The parts that know."""

    config: NetworkConfig
    outside: Outside
    view: OnChainView
    submitter: Submitter
    ledger: Ledger
    governor: Governor
    upkeep: Upkeep
    freshness: Freshness
    feeds: FeedReport
    trust: Trust
    signatures: Signatures

    def status(self, *, ready: bool) -> NetworkStatus:
        """As of now."""
        view, ledger = self.view, self.ledger
        return NetworkStatus(
            name=self.config.submit.network,
            chain_id=view.known_chain_id,
            contract=to_checksum_address(self.config.submit.contract),
            account=self.outside.signer.address,
            dry_run=self.config.dry_run,
            ready=ready,
            detail=self.upkeep.trouble or ledger.last_failure,
            block=view.block,
            balance=view.balance,
            nonce=self.submitter.next_nonce,
            in_flight=self.submitter.in_flight,
            longest_wait_s=self.submitter.longest_wait_s,
            consecutive_failures=ledger.consecutive_failures,
            pushes={outcome: ledger.outcomes[outcome] for outcome in Outcome},
            spent_gas=ledger.spent_gas,
            spent_update_fees=ledger.spent_update_fees,
            last_push_at=ledger.last_push_at,
            newest_push=ledger.newest_push,
            final_push=ledger.final_push,
            endpoints=tuple(self.outside.chain.endpoints()),
            rpc_calls=dict(self.outside.chain.calls()),
            feeds=self.feeds,
            replacements=ledger.replacements,
            following=Following(
                mode=self.upkeep.mode,
                live=view.live,
                interval_s=self.upkeep.interval_s,
                sightings=view.sightings,
                calls_last_hour=dict(self.outside.chain.calls_last_hour()),
            ),
            in_policy=self.freshness.in_policy(),
            trust=self.trust.status(),
            signers=self.signatures.status(),
            spending=self.governor.status(self.outside.clock.now()),
            leadership=self.outside.mandate.status(),
        )
