"""Checks everything that a run depends on, before it has to: the findings of `keeper check`."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from keeper.app.accounts import Accounts, signer
from keeper.app.clock import SystemClock
from keeper.app.network_settings import NetworkSettings
from keeper.app.preflight.cluster import check_rights
from keeper.app.preflight.finding import Finding, State
from keeper.app.preflight.journal import check_journal
from keeper.app.preflight.network import Target, check_network
from keeper.app.preflight.port import check_port
from keeper.app.preflight.source import check_sources
from keeper.app.problems import did_you_mean, shown
from keeper.app.redaction import Redactor
from keeper.app.settings import Settings
from keeper.app.wiring import hermes_configs, signer_rule
from keeper.domain.errors import UsageError

__all__ = ["Finding", "State", "preflight"]


async def preflight(settings: Settings, *, only: str | None = None) -> list[Finding]:
    """All findings, those first that others depend on. Sends nothing, changes nothing, and takes less than 15 seconds.

    Each is one line, and holds no secret. `only` one network with its feeds is checked where it names one. Raises
    UsageError where no network is called so.
    """
    clock = SystemClock()
    chosen = _chosen(settings.networks, only)
    feeds = {feed.feed_id: feed for network in chosen for feed in network.feeds}
    accounts = Accounts()
    redactor = Redactor(settings.secrets())
    async with asyncio.TaskGroup() as group:
        hermes = [replace(config, feeds=tuple(feeds)) for config in hermes_configs(settings, redactor)]
        source = group.create_task(check_sources(hermes, tuple(feeds.values()), clock), name="check sources")
        networks = [
            group.create_task(
                check_network(_target(network, accounts), source=source, clock=clock), name="check network"
            )
            for network in chosen
        ]
        journal = group.create_task(check_journal(settings.journal), name="check journal")
        rights = group.create_task(check_rights(settings), name="check rights")
        port = group.create_task(check_port(settings.metrics_host, settings.metrics_port), name="check port")
    given = Finding("settings", State.OK, f"complete and well-formed, {_counts(chosen, len(feeds))}")
    findings = [given, *_alerts(settings), *source.result().findings]
    for network, checked in zip(chosen, networks, strict=True):
        label = "" if len(settings.networks) == 1 else f"{network.network_name} "
        findings += [replace(each, check=f"{label}{each.check}") for each in checked.result()]
    findings += [each for each in (journal.result(), rights.result(), port.result()) if each is not None]
    return [Finding(each.check, each.state, _shown(redactor.clean(each.detail))) for each in findings]


def _alerts(settings: Settings) -> list[Finding]:
    """A line for who wants the keeper to post alerts itself."""
    webhook = settings.alert_webhook
    told = f"critical events go to {webhook.name}; `keeper alert` tries it" if webhook else ""
    return [Finding("alerts", State.OK, told)] if webhook else []


def _chosen(networks: Sequence[NetworkSettings], only: str | None) -> Sequence[NetworkSettings]:
    if only is None:
        return networks
    chosen = [network for network in networks if network.network_name == only]
    if not chosen:
        names = [network.network_name for network in networks]
        raise UsageError(f"no network is called {shown(only)}: there is {', '.join(names)}{did_you_mean(only, names)}")
    return chosen


def _target(network: NetworkSettings, accounts: Accounts) -> Target:
    return Target(
        endpoints=network.rpc_url,
        contract=network.contract_address,
        account=signer(network).address,
        chain_id=network.chain_id,
        signers=signer_rule(network),
        admit=accounts.admission(network),
    )


def _shown(text: str) -> str:
    """On one line, whatever a server has put into it."""
    return "".join(character if character.isprintable() else " " for character in text)


def _counts(networks: Sequence[NetworkSettings], feeds: int) -> str:
    counted = _count(feeds, "feed")
    return counted if len(networks) == 1 else f"{_count(len(networks), 'network')}, {counted}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
