"""Numbers, tables in Markdown, and the document that holds them."""

import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path


def median(values: Sequence[float]) -> float:
    """The 50th percentile."""
    return statistics.median(values)


def p99(values: Sequence[float]) -> float:
    """The 99th percentile: the smallest value that 99% do not exceed."""
    return sorted(values)[max(0, -(-len(values) * 99 // 100) - 1)]


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table whose first column is text and whose others are numbers."""
    lines = [head, ["---", *("---:" for _ in head[1:])], *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def replace(document: Path, name: str, text: str) -> None:
    """Put a text in place of the one that stands between the document's markers of this name."""
    begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
    before, _, rest = document.read_text(encoding="utf-8").partition(begin)
    _, _, after = rest.partition(end)
    if not after:
        raise ValueError(f"{document} has no place for {name}")
    document.write_text(f"{before}{begin}\n{text}\n\n{end}{after}", encoding="utf-8")
