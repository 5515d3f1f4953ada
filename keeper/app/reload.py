"""Settings that are read anew while the keeper runs: feeds and thresholds, all or nothing; the rest needs a restart."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Never

from keeper.app.differences import FeedDifferences, aliases, feed_differences, needs_restart, policies
from keeper.app.problems import SettingsError
from keeper.app.settings import Settings
from keeper.domain.errors import UsageError
from keeper.domain.status import ConfigStatus
from keeper.domain.units import FeedId
from keeper.pipeline.network import Network
from keeper.ports import PriceSource

log = logging.getLogger(__name__)

_LOOK_EVERY_S = 0.5


@dataclass(frozen=True, slots=True)
class Origin:
    """Where settings come from, to be read again."""

    load: Callable[[], Settings]
    """Raises SettingsError."""
    files: tuple[Path, ...] = ()
    """That are watched."""


class Reloader:
    """Brings what is read anew to the networks and the source."""

    def __init__(
        self,
        settings: Settings,
        origin: Origin,
        *,
        networks: Sequence[Network],
        source: PriceSource,
        renamed: Callable[[Mapping[FeedId, str]], None],
    ) -> None:
        """`renamed` is told what feeds are called from now on."""
        self._started = settings
        self._current = settings
        self._origin = origin
        self._networks = {network.name: network for network in networks}
        self._source = source
        self._renamed = renamed
        self._status = ConfigStatus()

    def status(self) -> ConfigStatus:
        """How the last reading went."""
        return self._status

    async def watch(self) -> Never:
        """Read anew whenever a file is another, and has been so for two looks: it may still be being written."""
        read = last = self._stamps()
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            now = self._stamps()
            if now != read and now == last:
                read = now
                self.reload("file")
            last = now

    def _stamps(self) -> list[tuple[int, int, int] | None]:
        return [_stamp(path) for path in self._origin.files]

    def reload(self, origin: str) -> None:
        """Read anew; `origin` is `signal` or `file`. Where anything is wrong nothing changes."""
        try:
            new = self._origin.load()
        except SettingsError as exc:
            self._refused(exc.lines, origin)
        except UsageError as exc:  # a file that holds a secret went away as it was read
            self._refused([str(exc)], origin)
        else:
            self._read(new, origin)

    def _refused(self, problems: Sequence[str], origin: str) -> None:
        self._status = ConfigStatus("; ".join(problems), self._status.needs_restart)
        text = f"nothing is reloaded: {'; '.join(problems)}"
        log.error("config_refused", extra={"text": text, "fields": {"origin": origin, "problems": list(problems)}})

    def _read(self, new: Settings, origin: str) -> None:
        differences = self._adopt(new)
        restart = tuple(needs_restart(self._started, new))
        self._status = ConfigStatus("", restart)
        for difference in differences:
            log.info("feeds_reloaded", extra={"text": _sentence(difference), "fields": _fields(difference, origin)})
        if not differences:
            text = "the settings were read anew: no feed and no threshold is different"
            log.info("config_unchanged", extra={"text": text, "fields": {"origin": origin}})
        if restart:
            text = f"needs a restart: {', '.join(restart)}"
            log.warning("config_needs_restart", extra={"text": text, "fields": {"settings": list(restart)}})

    def _adopt(self, new: Settings) -> list[FeedDifferences]:
        old = {network.network_name: network for network in self._current.networks}
        differences = []
        kept = []
        for network in new.networks:
            name = network.network_name
            if name not in self._networks:
                continue
            kept.append(network)
            before = old.get(name)
            found = feed_differences(name, before.feeds if before else (), network.feeds)
            if found or before is None or aliases(before) != aliases(network):
                self._networks[name].adopt(policies(network), aliases(network))
            if found:
                differences.append(found)
        gone = [network for name, network in old.items() if name not in {each.network_name for each in kept}]
        current = self._current.model_copy(update={"networks": (*kept, *gone)})
        if set(current.feeds) != set(self._current.feeds):
            self._source.subscribe(current.feeds)
        self._renamed(current.aliases)
        self._current = current
        return differences


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """Changes whenever the file's content may have; None where there is no file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _sentence(difference: FeedDifferences) -> str:
    parts = [f"{what} {', '.join(names)}" for what, names in _named(difference) if names]
    parts += [f"{alias}: {text}" for alias, text in difference.changed.items()]
    return f"{difference.network}: {'; '.join(parts)}"


def _named(difference: FeedDifferences) -> tuple[tuple[str, Sequence[str]], ...]:
    return ("added", difference.added), ("removed", difference.removed)


def _fields(difference: FeedDifferences, origin: str) -> dict[str, object]:
    return {
        "network": difference.network,
        "origin": origin,
        "added": list(difference.added),
        "removed": list(difference.removed),
        "changed": dict(difference.changed),
    }
