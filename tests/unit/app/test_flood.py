"""Lines that come in numbers are counted, and none of their number is lost."""

import logging

from keeper.app.flood import AT_ONCE, REFILL_S, FloodGate


def line(name: str = "push_failed", **fields: object) -> logging.LogRecord:
    return logging.makeLogRecord({"name": "keeper", "msg": name, "text": "it failed", "fields": fields})


def left_out(record: logging.LogRecord) -> object:
    return getattr(record, "fields", {}).get("left_out")


def test_the_first_ones_of_a_kind_are_written_as_they_come() -> None:
    gate = FloodGate()
    written = [list(gate.passing(line(number=number), 0.0)) for number in range(AT_ONCE + 5)]
    assert [len(each) for each in written] == [1] * AT_ONCE + [0] * 5


def test_other_kinds_networks_and_sources_are_not_held_up() -> None:
    gate = FloodGate()
    for _ in range(AT_ONCE + 1):
        list(gate.passing(line(network="a"), 0.0))
    for other in (line(network="b"), line(network="a", source="hermes"), line("push_dropped", network="a")):
        assert list(gate.passing(other, 0.0)) == [other]


def test_the_newest_of_those_left_out_is_written_with_their_number_once_it_may() -> None:
    gate = FloodGate()
    for _ in range(AT_ONCE):
        list(gate.passing(line(), 0.0))
    for number in range(7):
        assert list(gate.passing(line(number=number), 1.0)) == []
    other, last = gate.passing(line("health"), REFILL_S + 1)
    assert other.msg == "health"
    assert (last.msg, vars(last)["fields"]) == ("push_failed", {"number": 6, "left_out": 6})
    assert vars(last)["text"] == "it failed (and 6 more like it before)"


def test_whoever_was_quiet_for_long_may_speak_again() -> None:
    gate = FloodGate()
    for _ in range(AT_ONCE):
        list(gate.passing(line(), 0.0))
    for _ in range(AT_ONCE):
        (written,) = gate.passing(line(), AT_ONCE * REFILL_S)
        assert left_out(written) is None


def test_what_comes_in_good_measure_is_always_written() -> None:
    gate = FloodGate()
    for _ in range(5 * AT_ONCE):
        record = line("health")
        record.paced = True
        assert list(gate.passing(record, 0.0)) == [record]


def test_what_was_left_out_last_is_written_at_the_end() -> None:
    gate = FloodGate()
    for number in range(AT_ONCE + 3):
        list(gate.passing(line(number=number), 0.0))
    (last,) = gate.drain()
    assert vars(last)["fields"] == {"number": AT_ONCE + 2, "left_out": 2}
    assert list(gate.drain()) == []


def test_a_line_that_was_left_out_says_what_it_said_then() -> None:
    gate, said = FloodGate(), ["first"]
    record = logging.makeLogRecord({"name": "library", "msg": "it said %s", "args": (said,)})
    for _ in range(AT_ONCE):
        list(gate.passing(logging.makeLogRecord({"name": "library", "msg": "it said %s", "args": (said,)}), 0.0))
    list(gate.passing(record, 0.0))
    said[:] = ["second"]
    (last,) = gate.drain()
    assert last.getMessage() == "it said ['first']"
