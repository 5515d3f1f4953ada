"""What the log says of who sends."""

import logging
from typing import assert_never

from keeper.app.lines import Line
from keeper.domain.events import (
    CoordinationFailed,
    CoordinationRecovered,
    LeadershipEvent,
    LeadershipGained,
    LeadershipLost,
    OthersInFlight,
)


def leadership_level(event: LeadershipEvent) -> int:
    """How urgent it is, as logging counts."""
    match event:
        case LeadershipGained() | CoordinationRecovered():
            return logging.INFO
        case LeadershipLost(planned=planned):
            return logging.INFO if planned else logging.WARNING
        case OthersInFlight():
            return logging.WARNING
        case CoordinationFailed():
            return logging.ERROR
        case _:
            assert_never(event)


def leadership_line(event: LeadershipEvent) -> Line:
    """The line for an event."""
    match event:
        case LeadershipGained(network=network, shard=shard, epoch=epoch):
            text = f"{network}: this keeper sends for {shard} from now on"
            return Line("leadership_gained", text, {"network": network, "shard": shard, "epoch": epoch})
        case LeadershipLost(network=network, shard=shard, epoch=epoch, why=why, planned=planned):
            text = f"{network}: this keeper does not send for {shard} any more: {why}"
            fields = {"network": network, "shard": shard, "epoch": epoch, "why": why, "planned": planned}
            return Line("leadership_lost", text, fields)
        case OthersInFlight(network=network, nonces=nonces, patience_s=patience_s):
            text = (
                f"{network}: transactions that somebody else sent wait to be mined (nonces from {nonces[0]}):"
                f" for up to {patience_s:g} s they may land first"
            )
            fields = {"network": network, "nonces": list(nonces), "patience_s": patience_s}
            return Line("others_in_flight", text, fields)
        case CoordinationFailed(error=error):
            return Line("coordination_failed", f"it cannot be told who may send: {error}", {"error": error})
        case CoordinationRecovered():
            return Line("coordination_recovered", "it can be told again who may send", {})
        case _:
            assert_never(event)
