"""Whose pages may read: origins as browsers tell them, and nothing that looks like one."""

import pytest

from keeper.app.origins import origins
from keeper.app.problems import Wrong


def test_takes_origins_with_commas_between() -> None:
    assert origins("https://a.example.org, http://localhost:3000") == ("https://a.example.org", "http://localhost:3000")
    assert origins("*") == ("*",)


@pytest.mark.parametrize(
    "text", ["a.example.org", "https://a.example.org/", "https://a.example.org/page", "ftp://a", "https://", "null"]
)
def test_tells_what_an_origin_looks_like(text: str) -> None:
    with pytest.raises(Wrong, match="is no origin: https"):
        origins(text)
