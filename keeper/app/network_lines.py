"""What `keeper networks` prints: values by their names, without secrets."""

from typing import Any

from keeper.app.accounts import signer
from keeper.app.network_settings import NetworkSettings
from keeper.app.network_trial import Trial
from keeper.domain.transaction import Outcome
from keeper.server.decimals import decimal_text, native_text


def network_line(network: NetworkSettings) -> dict[str, Any]:
    """One network of the settings."""
    known = network.known_chain
    return {
        "name": network.network_name,
        "chain_id": network.chain_id,
        "chain": known and known.name,
        "block_time_s": known and known.block_time_s,
        "fees": known and known.fees,
        "contract": network.contract_address,
        "account": signer(network).address,
        "feeds": len(network.feeds),
        "rpc": [endpoint.name for endpoint in network.rpc_url],
    }


def trial_lines(network: str, trial: Trial) -> dict[str, Any]:
    """What a push came to."""
    story, price = trial.story, trial.on_chain
    lines: dict[str, Any] = {
        "network": network,
        "feed": trial.feed.alias,
        "outcome": "nothing is newer than on chain" if story is None else _outcome(story.outcome),
        "sent_by": "the running keeper" if trial.by_running_keeper else "this process",
        "price": decimal_text(price.price, price.expo),
        "published": price.publish_time,
    }
    if story is not None and story.tx_hash is not None:
        lines |= {
            "push": story.push,
            "hash": f"0x{story.tx_hash.hex()}",
            "block": story.block_number,
            "gas": story.gas_used,
            "cost": None if story.cost is None else f"{native_text(story.cost)} ({story.cost} wei)",
        }
    return lines


def _outcome(outcome: str | None) -> str:
    return "nothing newer: somebody was faster" if outcome == Outcome.NOTHING_NEWER else "final, and on chain"
