"""What the log says of price sources, and of the networks' trust in them."""

import logging
from typing import TypeAlias, assert_never

from keeper.app.lines import Line
from keeper.domain.events import (
    SourceConnected,
    SourceDistrusted,
    SourceLost,
    SourcePolling,
    SourceProblem,
    SourceStoodDown,
    SourceTrusted,
)

SourceEvent: TypeAlias = (
    SourceConnected | SourceLost | SourcePolling | SourceProblem | SourceStoodDown | SourceDistrusted | SourceTrusted
)


def source_level(event: SourceEvent) -> int:
    """How urgent it is, as logging counts."""
    match event:
        case SourceConnected() | SourcePolling(active=False) | SourceStoodDown() | SourceTrusted():
            return logging.INFO
        case SourceLost() | SourcePolling() | SourceProblem():
            return logging.WARNING
        case SourceDistrusted():
            return logging.ERROR
        case _:
            assert_never(event)


def source_line(event: SourceEvent) -> Line:
    """The line for an event."""
    source = event.source
    more: dict[str, str] = {}
    match event:
        case SourceConnected():
            name, text = "source_connected", f"{source} streams prices"
        case SourceLost(reason=reason):
            name, text, more = "source_lost", f"{source} is lost: {reason}", {"reason": reason}
        case SourcePolling(active=True):
            name, text = "source_polling", f"{source} is polled until its stream is back"
        case SourcePolling():
            name, text = "source_polling_ended", f"{source} is polled no longer"
        case SourceProblem(problem=problem):
            name, text, more = "source_problem", f"{source}: {problem}", {"problem": problem}
        case SourceStoodDown():
            name, text = "source_stood_down", f"{source} is in reserve again"
        case SourceDistrusted(network=network, reason=reason):
            name, more = "source_distrusted", {"network": network, "reason": reason}
            text = f"{network} takes no prices from {source} while there is a better source: {reason}"
        case SourceTrusted(network=network):
            name, text, more = "source_trusted", f"{network} takes prices from {source} again", {"network": network}
        case _:
            assert_never(event)
    return Line(name, text, {"source": source} | more)
