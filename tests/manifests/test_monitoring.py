"""What the monitoring component ships is what prometheus/ and grafana/ say."""

import json

import yaml

from tests.support.kube.manifests import K8S, PLAIN, find

REPOSITORY = K8S.parent
HOW_TO_MEND = "make monitoring"


def test_alerts_are_those_of_prometheus() -> None:
    alerts = yaml.safe_load((REPOSITORY / "prometheus" / "alerts.yaml").read_text())
    assert find(PLAIN, "PrometheusRule")["spec"] == alerts, HOW_TO_MEND


def test_dashboards_are_those_of_grafana() -> None:
    shipped = find(PLAIN, "ConfigMap", "pyth-keeper-dashboards")
    made = {path.name: json.loads(path.read_text()) for path in (REPOSITORY / "grafana" / "dashboards").glob("*.json")}
    assert {name: json.loads(text) for name, text in shipped["data"].items()} == made, HOW_TO_MEND
    assert shipped["metadata"]["labels"]["grafana_dashboard"] == "1"
