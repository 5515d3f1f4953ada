"""What the log says of orders, and of what the clock orders."""

import logging
from typing import TypeAlias, assert_never

from keeper.app.lines import Line
from keeper.domain.budget import FREELY
from keeper.domain.events import ForceRefused, ForceRequested, NothingToPush, PushingPaused, PushingResumed
from keeper.server.moments import utc_text
from keeper.server.spending import SPENDING

OrderEvent: TypeAlias = ForceRequested | ForceRefused | NothingToPush | PushingPaused | PushingResumed


def order_level(event: OrderEvent) -> int:
    """How urgent it is, as logging counts."""
    match event:
        case ForceRequested() | NothingToPush():
            return logging.DEBUG if event.origin == "timer" else logging.INFO
        case ForceRefused():
            return logging.DEBUG if event.origin == "timer" else logging.WARNING
        case PushingPaused() | PushingResumed():
            return logging.WARNING
        case _:
            assert_never(event)


def order_line(event: OrderEvent) -> Line:
    """The line for an event."""
    network = event.network
    match event:
        case ForceRequested(origin=origin, feeds=feeds, by=by):
            text = f"{network}: update of {feeds} feeds asked for by {by or origin}"
            name, more = "force_requested", {"origin": origin, "by": by, "feeds": feeds}
        case ForceRefused(origin=origin, feeds=feeds, by=by, pause=pause):
            text = f"{network}: update of {feeds} feeds asked for by {by or origin} is refused: it is paused"
            name, more = "force_refused", {"origin": origin, "by": by, "feeds": feeds, "paused_by": pause.by}
        case NothingToPush(origin=origin, allowance=allowance):
            why = "nothing is newer than on chain" if allowance == FREELY else f"it {SPENDING[allowance]}"
            text = f"{network}: {why}, so nothing is pushed, asked for by {origin}"
            name, more = "nothing_to_push", {"origin": origin, "why": why}
        case PushingPaused(pause=pause):
            since = utc_text(pause.since)
            text = f"{network} is paused by {pause.by} since {since}: nothing new is pushed until it is resumed"
            name, more = "pushing_paused", {"by": pause.by, "since": since}
        case PushingResumed(pause=pause):
            text = f"{network} is resumed: it was paused by {pause.by} since {utc_text(pause.since)}"
            name, more = "pushing_resumed", {"paused_by": pause.by, "since": utc_text(pause.since)}
        case _:
            assert_never(event)
    return Line(name, text, {"network": network} | more)
