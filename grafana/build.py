"""Writes the dashboards: `python -m grafana.build` makes grafana/dashboards/*.json of grafana/boards.py."""

import sys
from collections.abc import Sequence
from pathlib import Path

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import LegendDisplayMode, LegendPlacement
from grafana_foundation_sdk.models.dashboard import DataSourceRef, Threshold, VariableRefresh

from grafana.boards import BOARDS, HERE, Board, Chart, Number

FOLDER = Path(__file__).parent / "dashboards"

_SOURCE = DataSourceRef(type_val="prometheus", uid="prometheus")
_HALF, _QUARTER = 12, 6
_ROW_HEIGHT, _STAT_HEIGHT = 8, 4


def build(board: Board) -> str:
    """The dashboard's JSON."""
    made = (
        dashboard.Dashboard(board.title)
        .uid(f"pyth-keeper-{board.name}")
        .description(board.about)
        .tags(["pyth-keeper"])
        .refresh("10s")
        .time("now-6h", "now")
        .timezone("browser")
    )
    made.with_variable(_choice("namespace", "label_values(keeper_ready, namespace)").all_value(".*"))
    if board.by_network:
        made.with_variable(_choice("network", f"label_values(keeper_ready{{{HERE}}}, network)"))
    for number in board.numbers:
        made.with_panel(_number(number))
    for chart in board.charts:
        made.with_panel(_chart(chart))
    return JSONEncoder(sort_keys=True, indent=2).encode(made.build()) + "\n"


def _choice(name: str, query: str) -> dashboard.QueryVariable:
    """Several of what a query finds, or all."""
    return (
        dashboard.QueryVariable(name)
        .label(name.capitalize())
        .query(query)
        .datasource(_SOURCE)
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .include_all(True)
        .multi(True)
    )


def _number(number: Number) -> stat.Panel:
    panel = (
        stat.Panel()
        .title(number.title)
        .description(number.about)
        .unit(number.unit)
        .datasource(_SOURCE)
        .height(_STAT_HEIGHT)
        .span(_QUARTER)
        .with_target(prometheus.Dataquery().expr(number.expression).ref_id("A"))
    )
    if number.good:
        side, limit = number.good.split()
        low, high = ("red", "green") if side == "above" else ("green", "red")
        steps = [Threshold(value=None, color=low), Threshold(value=float(limit), color=high)]
        panel.thresholds(dashboard.ThresholdsConfig().steps(steps))
    return panel


def _chart(chart: Chart) -> timeseries.Panel:
    panel = (
        timeseries.Panel()
        .title(chart.title)
        .description(chart.about)
        .unit(chart.unit)
        .datasource(_SOURCE)
        .height(_ROW_HEIGHT)
        .span(_HALF)
        .legend(
            common.VizLegendOptions()
            .display_mode(LegendDisplayMode.LIST)
            .placement(LegendPlacement.BOTTOM)
            .show_legend(True)
        )
    )
    for number, (legend, expression) in enumerate(chart.expressions.items()):
        panel.with_target(prometheus.Dataquery().expr(expression).legend_format(legend).ref_id(chr(ord("A") + number)))
    return panel


def main(arguments: Sequence[str]) -> int:
    """Write them; with `--check` tell of those that are not what they should be."""
    check = "--check" in arguments
    stale = []
    for board in BOARDS:
        path, text = FOLDER / f"{board.name}.json", build(board)
        if check and not (path.is_file() and path.read_text() == text):
            stale.append(path.name)
        if not check:
            path.write_text(text)
    if stale:
        sys.stderr.write(f"not what grafana/build.py makes: {', '.join(stale)}; run: make dashboards\n")
    return int(bool(stale))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
