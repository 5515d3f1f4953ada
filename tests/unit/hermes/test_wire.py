"""What is asked for, and what is made of the answers."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.domain.errors import InvalidUpdate
from keeper.domain.status import SourceState
from keeper.hermes.wire import error_event, latest_url, parse_updates, refusal, stream_url
from tests.support.fake_hermes import as_event, signed
from tests.support.fixtures import genuine_updates
from tests.support.market import FEEDS

F1, F2, F3, F4, F5 = FEEDS[:5]
UPDATE = signed([F1, F2], slot=7, publish_time=1_700_000_000)


def answer(*updates: str, encoding: str = "hex", **others: Any) -> str:
    return json.dumps({"binary": {"encoding": encoding, "data": list(updates)}} | others)


def test_asks_for_base64_and_no_parsed_prices() -> None:
    url = stream_url("https://hermes.test", [F1, F2])
    assert (url.host, url.path) == ("hermes.test", "/v2/updates/price/stream")
    assert url.query.getall("ids[]") == [F1, F2]
    assert (url.query["encoding"], url.query["parsed"]) == ("base64", "false")


@pytest.mark.parametrize("base", ["https://hermes.test/hermes", "https://hermes.test/hermes/"])
def test_keeps_a_path_prefix(base: str) -> None:
    assert latest_url(base, [F1]).path == "/hermes/v2/updates/price/latest"


def test_keeps_the_parameters_of_the_base_url() -> None:
    assert latest_url("https://hermes.test/?token=abc", [F1]).query["token"] == "abc"


def test_a_url_with_500_feeds_stays_below_the_cap_of_servers() -> None:
    assert len(str(stream_url("https://pyth.dourolabs.app/hermes", FEEDS[:500]))) < 60_000


@pytest.mark.parametrize("encoding", ["hex", "base64"])
def test_reads_genuine_updates_in_the_encoding_that_the_answer_names(encoding: str) -> None:
    for genuine in genuine_updates():
        blob = bytes.fromhex(genuine["hex"])
        text = blob.hex() if encoding == "hex" else base64.b64encode(blob).decode()
        (update,) = parse_updates(answer(text, encoding=encoding))
        assert update.blob == blob
        assert update.slot == genuine["slot"]


def test_takes_prices_from_the_signed_bytes_whatever_the_parsed_part_says() -> None:
    parsed = [{"id": F1, "price": {"price": "1", "conf": "1", "expo": 0, "publish_time": 1}, "metadata": None}]
    (update,) = parse_updates(answer(UPDATE.hex(), parsed=parsed))
    assert update.prices[F1].price == 7


def test_reads_several_updates_in_their_order() -> None:
    other = signed([F3], slot=6, publish_time=1_700_000_000)
    assert [update.slot for update in parse_updates(as_event(UPDATE, other))] == [7, 6]


def test_accepts_fields_in_any_order_and_unknown_ones() -> None:
    text = f'{{"new": [1], "binary": {{"data": ["{UPDATE.hex()}"], "more": {{}}, "encoding": "hex"}}}}'
    assert len(parse_updates(text)) == 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{}",
        '{"binary":null}',
        '{"binary":{"encoding":"hex"}}',
        '{"binary":{"encoding":"hex","data":null}}',
        '{"binary":{"encoding":"hex","data":[7]}}',
        '{"binary":{"encoding":"hex","data":["0"]}}',
        '{"binary":{"encoding":"hex","data":["zz"]}}',
        '{"binary":{"encoding":"hex","data":["é"]}}',
        '{"binary":{"encoding":"base64","data":["@@@@"]}}',
        '{"binary":{"encoding":"base64","data":["abc"]}}',
        '{"binary":{"encoding":"rot13","data":[]}}',
        '{"binary":{"encoding":"hex","data":["504e4155"]}}',
        '{"binary":{"encoding":"hex","data":["\ud800"]}}',
        '{"x":' + "[" * 100_000,
        answer(UPDATE.hex())[:-40],
        answer(UPDATE[:-1].hex()),
        answer((UPDATE + b"\0").hex()),
    ],
)
def test_refuses_what_is_no_price_update(text: str) -> None:
    with pytest.raises(InvalidUpdate):
        parse_updates(text)


@given(st.one_of(st.text(), st.binary()))
def test_any_text_at_all_is_parsed_or_refused_as_invalid(text: str | bytes) -> None:
    try:
        parse_updates(text)
    except InvalidUpdate:
        return


@given(st.data())
def test_any_damage_is_survived(data: st.DataObject) -> None:
    text = bytearray(as_event(UPDATE).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        text[data.draw(st.integers(0, len(text) - 1))] = data.draw(st.integers(0, 255))
    try:
        parse_updates(bytes(text))
    except InvalidUpdate:
        return


def test_tells_an_unauthorized_request() -> None:
    failure = refusal(401, "", retry_after=None, asked=[F1])
    assert (failure.state, failure.refused) == (SourceState.UNAUTHORIZED, True)


@pytest.mark.parametrize("status", [401, 403, 404])
def test_tells_feeds_that_the_key_does_not_cover_by_the_words(status: int) -> None:
    failure = refusal(status, f"Not entitled: feed 0x{F2}", retry_after=None, asked=[F1, F2])
    assert (failure.state, failure.refused, failure.feeds) == (SourceState.NOT_ENTITLED, True, frozenset({F2}))
    assert F2 in str(failure)


def test_takes_any_403_for_a_missing_entitlement() -> None:
    failure = refusal(403, "", retry_after=None, asked=[F1])
    assert (failure.state, failure.feeds) == (SourceState.NOT_ENTITLED, frozenset())


def test_tells_unknown_feeds_and_names_the_first_few() -> None:
    body = f"Price ids not found: 0x{F1}, {F2.upper()}, 0x{F3}, 0x{F4}"
    failure = refusal(404, body, retry_after=None, asked=[F1, F2, F3, F4, F5])
    assert (failure.state, failure.refused) == (SourceState.UNKNOWN_FEEDS, True)
    assert failure.feeds == {F1, F2, F3, F4}
    assert str(failure).count("0" * 60) == 3
    assert "and 1 more" in str(failure)


@pytest.mark.parametrize("status", [204, 301, 400, 404, 414])
def test_takes_other_refusals_for_a_wrong_url(status: int) -> None:
    failure = refusal(status, "<html>", retry_after=None, asked=[F1])
    assert (failure.state, failure.refused) == (SourceState.DOWN, True)
    assert "HERMES_URL" in str(failure)


@pytest.mark.parametrize("status", [500, 502, 503])
def test_takes_a_failing_server_for_something_that_passes(status: int) -> None:
    failure = refusal(status, "", retry_after=None, asked=[F1])
    assert (failure.state, failure.refused, failure.retry_after_s) == (SourceState.DOWN, False, None)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("17", 17.0),
        (None, 60.0),
        ("Sun, 22 Nov 2026 08:49:37 GMT", 60.0),
        ("-5", 60.0),
        ("٣", 60.0),
        ("0", 1.0),
        ("999999999", 600.0),
    ],
)
def test_honours_retry_after_within_bounds(header: str | None, seconds: float) -> None:
    failure = refusal(429, "", retry_after=header, asked=[F1])
    assert (failure.state, failure.refused) == (SourceState.RATE_LIMITED, False)
    assert failure.retry_after_s == seconds


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500])
def test_never_repeats_what_a_server_echoes(status: int) -> None:
    key = "ab" * 32
    for body in (f"Price ids not found: {key}", f"Not entitled: feed {key}", f"bad token {key}"):
        failure = refusal(status, body, retry_after=key, asked=[F1])
        assert key not in repr(failure)
        assert failure.feeds == frozenset()


@pytest.mark.parametrize("text", ["Connection timeout reached (24h)", "Slow consumer: disconnected"])
def test_knows_the_error_events_that_end_a_stream(text: str) -> None:
    assert error_event(text) is not None


@pytest.mark.parametrize("text", ["Error receiving update: channel lagged", "", "something new"])
def test_other_error_events_end_nothing(text: str) -> None:
    assert error_event(text) is None
