"""What the clients ask for, before anything is sent."""

import uuid
from datetime import UTC, datetime

import pytest
from pgflow import DatabaseError, InputError, flow, step
from pgflow.client import RunDetail, requests
from pgflow.database.statement import Statement, scalar


def double(number: int) -> int:
    return 2 * number


@flow
def doubling(number):
    return step(double, number)


def test_new_run_ids_are_version_7_and_follow_time():
    first, second = requests.new_run_id(), requests.new_run_id()
    assert first.version == second.version == 7
    assert first.variant == uuid.RFC_4122
    milliseconds = first.int >> 80
    assert abs(milliseconds / 1000 - datetime.now(UTC).timestamp()) < 5


def test_start_can_be_sent_again_because_its_run_id_is_known():
    statement = requests.start_by_slug("f", {"a": 1}, {})
    assert statement.repeatable
    assert any(isinstance(parameter, uuid.UUID) for parameter in statement.params)


def test_start_with_a_key_leaves_the_run_id_to_the_database():
    statement = requests.start_by_slug("f", 1, {"idempotency_key": "k"})
    assert statement.repeatable
    assert not any(isinstance(parameter, uuid.UUID) for parameter in statement.params)


def test_many_starts_are_sent_in_chunks(monkeypatch):
    monkeypatch.setattr(requests, "_CHUNK", 3)
    sent = [statement.params[1] for statement in requests.start_many(doubling, range(7), None, {})]
    assert sent == [["0", "1", "2"], ["3", "4", "5"], ["6"]]


def test_large_inputs_make_smaller_chunks(monkeypatch):
    monkeypatch.setattr(requests, "_CHUNK_CHARACTERS", 5)
    sent = [statement.params[1] for statement in requests.start_many(doubling, [1000, 2000, 3], None, {})]
    assert sent == [["1000"], ["2000", "3"]]


def test_no_inputs_send_nothing():
    assert list(requests.start_many(doubling, [], None, {})) == []


@pytest.mark.parametrize("value", [float("nan"), {1}, object()])
def test_value_that_is_not_json_is_an_input_error(value):
    with pytest.raises(InputError, match="not JSON"):
        requests.start_by_slug("f", value, {})


def test_value_that_is_nested_too_deeply_is_an_input_error():
    value: list[object] = [1]
    for _ in range(190):
        value = [value]
    with pytest.raises(InputError, match="nested more than 190 levels deep"):
        requests.start_by_slug("f", value, {})


@pytest.mark.parametrize("value", ["[" * 300 + "]" * 300, "9" * 5000], ids=["nested", "long"])
def test_a_run_that_holds_what_python_cannot_read_says_so(value):
    with pytest.raises(DatabaseError, match=r"Python cannot read: Invalid JSON: .*Read the run by SQL"):
        RunDetail.from_json(f'{{"output": {value}}}')


def test_statement_shows_no_parameters():
    statement = Statement("select 1", ("s3cret",), parse=scalar)
    assert "s3cret" not in repr(statement)
    assert statement.then(str).parse([(5,)]) == "5"
