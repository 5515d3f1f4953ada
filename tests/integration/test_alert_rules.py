"""prometheus/alerts.yaml by promtool: each alert fires when it should, stays quiet when it should, and is explained."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support import monitoring
from tests.support.monitoring import promtool

REPOSITORY = Path(__file__).resolve().parents[2]
RULES = REPOSITORY / "prometheus" / "alerts.yaml"
RUNBOOK = (REPOSITORY / "docs" / "runbook.md").read_text()
ALERTS: dict[str, dict[str, Any]] = {
    rule["alert"]: rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]
}

pytestmark = pytest.mark.skipif(not monitoring.is_installed(), reason=monitoring.HOW_TO_INSTALL)


@dataclass(frozen=True)
class Case:
    """Series by minute, as promtool writes them, with which the alert fires at 20 minutes, or does not."""

    fires: dict[str, str]
    quiet: dict[str, str]


def pushes(outcome: str, values: str) -> dict[str, str]:
    return {
        'price_updates_total{network="a",outcome="confirmed"}': "0+10x20",
        f'price_updates_total{{network="a",outcome="{outcome}"}}': values,
    }


def retries(total: str, within_two: str) -> dict[str, str]:
    return {
        'keeper_retries_per_push_sum{network="a"}': total,
        'keeper_retries_per_push_count{network="a"}': "0+10x20",
        'keeper_retries_per_push_bucket{network="a",le="2.0"}': within_two,
    }


def gauge(series: str, fires: str, quiet: str) -> Case:
    return Case({series: fires}, {series: quiet})


def leaders(*keepers: tuple[str, str]) -> dict[str, str]:
    """Whether each of some keepers leads for one account, and beside them a dry run, which needs no lead."""
    series = {}
    for instance, leads in (*keepers, ("dry", "1x20")):
        labelled = f'job="pyth-keeper",instance="{instance}",network="a"'
        series[f"keeper_leader{{{labelled}}}"] = leads
        series[f"keeper_dry_run{{{labelled}}}"] = "1x20" if instance == "dry" else "0x20"
        series[f'keeper_network_info{{{labelled},chain_id="1",account="0xaa"}}'] = "1x20"
    return series


FEED = 'keeper_out_of_policy_seconds_total{network="a",feed="BTC/USD"}'
SPENT = 'keeper_spent_today_wei{network="a"}'
BUDGET = 'keeper_daily_budget_wei{network="a"}'
CASES = {
    "OracleStale": gauge(FEED, "0+40x20", "0+20x20"),
    "OutOfPolicyBurn": gauge(FEED, "0+4x20", "0+0.5x20"),
    "FeedFaulty": gauge('keeper_feed_state{network="a",feed="X",state="vanished"}', "1x20", "0x10 1x3 0x7"),
    "SSEDisconnected": Case(
        {'sse_connection_status{source="one"}': "0x20", 'sse_connection_status{source="two"}': "0x20"},
        {'sse_connection_status{source="one"}': "0x20", 'sse_connection_status{source="two"}': "1x20"},
    ),
    "SourceUnauthorized": gauge('keeper_source_state{source="one",state="unauthorized"}', "1x20", "0x20"),
    "SourceDistrusted": gauge('keeper_source_trust{network="a",source="one",state="refused"}', "1x20", "0x20"),
    "TransactionFailureRate": Case(pushes("dropped", "0+1x20"), pushes("lost_race", "0+9x20")),
    "PushFailed": Case(pushes("failed", "0x17 1x3"), pushes("lost_race", "0+1x20")),
    "PushUnresolved": gauge('keeper_longest_wait_seconds{network="a"}', "61x20", "59x20"),
    "ManyRetries": Case(retries("0+5x20", "0+10x20"), retries("0+4x20", "0+10x20")),
    "PushRetriedOften": Case(retries("0+3x20", "0+9x20"), retries("0+9x20", "0+10x20")),
    "ConsecutiveFailures": gauge('keeper_consecutive_failures{network="a"}', "5x20", "4x20"),
    "AllRpcEndpointsDown": Case(
        {
            'keeper_rpc_endpoint_up{network="a",endpoint="1"}': "0x20",
            'keeper_rpc_endpoint_up{network="b",endpoint="1"}': "1x20",
        },
        {
            'keeper_rpc_endpoint_up{network="a",endpoint="1"}': "0x20",
            'keeper_rpc_endpoint_up{network="a",endpoint="2"}': "1x20",
        },
    ),
    "RpcEndpointDown": gauge('keeper_rpc_endpoint_up{network="a",endpoint="1"}', "0x20", "1x15 0x5"),
    "LowBalance": gauge('keeper_balance_wei{network="a"}', "9e17x20", "1e18x20"),
    "ShortRunway": gauge('keeper_runway_seconds{network="a"}', "86399x20", "86400x20"),
    "HighFee": gauge('keeper_fee_cap_wei{network="a"}', "101e9x20", "100e9x20"),
    "BudgetNearlySpent": Case({SPENT: "80x20", BUDGET: "100x20"}, {SPENT: "79x20", BUDGET: "100x20"}),
    "BudgetSpent": Case({SPENT: "100x20", BUDGET: "100x20"}, {SPENT: "99x20", BUDGET: "100x20"}),
    "KeeperDown": gauge('up{job="pyth-keeper",instance="k"}', "0x20", "1x20"),
    "NoLeader": Case(leaders(("k1", "0x20"), ("k2", "0x20")), leaders(("k1", "0x20"), ("k2", "1x20"))),
    "TwoLeaders": Case(leaders(("k1", "1x20"), ("k2", "1x20")), leaders(("k1", "1x20"), ("k2", "0x19 1"))),
    "NetworkNotReady": gauge('keeper_ready{network="a"}', "0x20", "1x20"),
    "NoHealthLine": Case(
        {'keeper_health_line_timestamp_seconds{instance="k"}': "779x20"},
        {'keeper_health_line_timestamp_seconds{instance="k"}': "780x20"},
    ),
    "ConfigInvalid": gauge("keeper_config_valid", "0x20", "1x20"),
    "EventStreamingDown": gauge('keeper_event_streaming_up{instance="k"}', "0x20", "1x20"),
    "NoEventsEmitted": Case(
        {
            'keeper_events_emitted_total{instance="k",type="health"}': "9x20",
            'keeper_events_emitted_total{instance="k",type="price"}': "0+5x9 45x11",
        },
        {
            'keeper_events_emitted_total{instance="k",type="health"}': "0+1x20",
            'keeper_events_emitted_total{instance="k",type="price"}': "0x20",
        },
    ),
    "HighWebSocketConnections": gauge('keeper_websocket_connections{instance="k"}', "8001x20", "8000x20"),
}


def scenario(name: str, series: dict[str, str], *labelled: str) -> dict[str, Any]:
    """One test of promtool's: by these series the alert fires with each of these sets of labels and no others."""
    seen = f'max by (namespace) (ALERTS{{alertname="{name}",alertstate="firing"}})'
    expected = [{"labels": labels, "value": 1} for labels in labelled]
    return {
        "interval": "1m",
        "input_series": [{"series": each, "values": values} for each, values in series.items()],
        "promql_expr_test": [{"expr": seen, "eval_time": "20m", "exp_samples": expected}],
    }


def run(folder: Path, *scenarios: dict[str, Any]) -> None:
    path = folder / "alerts.test.yaml"
    path.write_text(json.dumps({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": scenarios}))
    tested = promtool("test", "rules", path)
    assert tested.returncode == 0, tested.stderr + tested.stdout


def within(namespace: str, series: dict[str, str]) -> dict[str, str]:
    """The same series as Prometheus finds them in Kubernetes."""
    label = f'namespace="{namespace}"'
    return {
        each.replace("{", f"{{{label},", 1) if "{" in each else f"{each}{{{label}}}": values
        for each, values in series.items()
    }


def test_every_alert_has_a_case_that_fires_and_one_that_does_not() -> None:
    assert CASES.keys() == ALERTS.keys()


def test_the_rules_are_valid() -> None:
    checked = promtool("check", "rules", RULES)
    assert checked.returncode == 0, checked.stderr + checked.stdout


@pytest.mark.parametrize("name", CASES)
def test_fires_when_it_should_and_not_otherwise(name: str, tmp_path: Path) -> None:
    run(tmp_path, scenario(name, CASES[name].fires, "{}"), scenario(name, CASES[name].quiet))


@pytest.mark.parametrize("name", sorted(CASES.keys() - {"TwoLeaders"}))
def test_fires_for_the_namespace_in_need_whatever_is_well_in_another_one(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    both = within("production", case.fires) | within("staging", case.quiet)
    run(tmp_path, scenario(name, both, '{namespace="production"}'))


def test_two_leaders_of_one_account_are_found_across_namespaces(tmp_path: Path) -> None:
    both = within("production", leaders(("k1", "1x20"))) | within("staging", leaders(("k2", "1x20")))
    run(tmp_path, scenario("TwoLeaders", both, "{}"))


def test_keepers_that_are_all_gone_are_missed_for_a_day(tmp_path: Path) -> None:
    up = 'up{job="pyth-keeper",namespace="production"}'
    gone = {up: "1x5 stale", up.replace("production", "staging"): "1x20"}
    run(tmp_path, scenario("KeeperDown", gone, '{namespace="production"}'), scenario("KeeperDown", {}, "{}"))


@pytest.mark.parametrize("name", ALERTS)
def test_leads_to_what_it_means_how_to_check_it_and_what_to_do(name: str) -> None:
    assert ALERTS[name]["annotations"]["runbook_url"].endswith(f"docs/runbook.md#{name.lower()}")
    assert ALERTS[name]["labels"]["severity"] in {"critical", "warning"}
    section = RUNBOOK.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
    assert re.findall(r"^\*\*(\w+)\.\*\*", section, re.MULTILINE) == ["Meaning", "Check", "Fix"]


def test_the_runbook_explains_no_alert_that_is_not_there() -> None:
    assert set(re.findall(r"^## ([A-Z]\w+)$", RUNBOOK, re.MULTILINE)) == ALERTS.keys()
