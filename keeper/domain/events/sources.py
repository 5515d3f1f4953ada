"""What happens to the price sources."""

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class SourceConnected:
    """A price stream is open."""

    source: str


@dataclass(frozen=True, slots=True)
class SourceLost:
    """A price stream ended or failed; the next attempt comes by itself."""

    source: str
    reason: str


@dataclass(frozen=True, slots=True)
class SourcePolling:
    """No stream delivers: prices are polled from now on (`active`), or no longer."""

    source: str
    active: bool


@dataclass(frozen=True, slots=True)
class SourceProblem:
    """Something is wrong with a source that does not end its stream: bad data, an error event, a poll that failed."""

    source: str
    problem: str


@dataclass(frozen=True, slots=True)
class SourceStoodDown:
    """A source before this one delivers again: it is in reserve from now on."""

    source: str


@dataclass(frozen=True, slots=True)
class SourceDistrusted:
    """The prices of a source are no good for a network: they are not used there while another source is trusted."""

    network: str
    source: str
    reason: str


@dataclass(frozen=True, slots=True)
class SourceTrusted:
    """They are good again."""

    network: str
    source: str


SourceEvent: TypeAlias = (
    SourceConnected | SourceLost | SourcePolling | SourceProblem | SourceStoodDown | SourceDistrusted | SourceTrusted
)
