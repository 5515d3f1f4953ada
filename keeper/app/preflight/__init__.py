"""Checks everything that a run depends on, before it has to: the findings of `keeper check`."""

import asyncio

from keeper.app.clock import SystemClock
from keeper.app.preflight.finding import Finding, State
from keeper.app.preflight.journal import check_journal
from keeper.app.preflight.network import Target, check_network
from keeper.app.preflight.port import check_port
from keeper.app.preflight.source import check_sources
from keeper.app.redaction import Redactor
from keeper.app.settings import Settings
from keeper.app.wiring import hermes_configs, signer

__all__ = ["Finding", "State", "preflight"]


async def preflight(settings: Settings) -> list[Finding]:
    """All findings, those first that others depend on. Sends nothing, changes nothing, and takes less than 15 seconds.

    Each is one line, and holds no secret.
    """
    clock = SystemClock()
    target = Target(endpoints=settings.rpc_url, contract=settings.contract_address, account=signer(settings).address)
    async with asyncio.TaskGroup() as group:
        source = group.create_task(check_sources(hermes_configs(settings), settings.feeds, clock), name="check sources")
        network = group.create_task(check_network(target, source=source, clock=clock), name="check network")
        journal = group.create_task(check_journal(settings.journal), name="check journal")
        port = group.create_task(check_port(settings.metrics_host, settings.metrics_port), name="check port")
    given = Finding("settings", State.OK, f"complete and well-formed, {_count(len(settings.feeds), 'feed')}")
    findings = [given, *source.result().findings, *network.result(), journal.result(), port.result()]
    redactor = Redactor(settings.secrets())
    return [Finding(each.check, each.state, _shown(redactor.clean(each.detail))) for each in findings]


def _shown(text: str) -> str:
    """On one line, whatever a server has put into it."""
    return "".join(character if character.isprintable() else " " for character in text)


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
