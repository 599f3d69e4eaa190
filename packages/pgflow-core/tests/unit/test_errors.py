"""The errors: their defaults, fields, pickling and documentation."""

import copy
import inspect
import pickle
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from pgflow import errors
from pgflow.errors import ERROR_BY_SQLSTATE, DefinitionError, PgflowError, RetryAfter, RunCancelled, RunFailed

CLASSES = sorted(
    (cls for _, cls in inspect.getmembers(errors, inspect.isclass) if issubclass(cls, PgflowError)),
    key=lambda cls: cls.__name__,
)
NEED_ARGUMENTS = {RunFailed, RunCancelled, RetryAfter}
RUN_ID = UUID(int=7)
REFERENCE = Path(__file__).parents[4] / "docs" / "reference" / "errors.md"


def test_all_lists_every_error_and_the_table():
    assert set(errors.__all__) == {cls.__name__ for cls in CLASSES} | {"ERROR_BY_SQLSTATE"}


@pytest.mark.parametrize("cls", [c for c in CLASSES if c not in NEED_ARGUMENTS], ids=lambda c: c.__name__)
def test_first_line_of_docstring_is_default_message(cls):
    assert str(cls()) == cls.__doc__.splitlines()[0]
    assert str(cls("another")) == "another"
    assert cls("another").message == "another"


@pytest.mark.parametrize("cls", CLASSES, ids=lambda c: c.__name__)
def test_is_exported_at_the_top(cls):
    import pgflow

    assert getattr(pgflow, cls.__name__) is cls
    assert cls.__name__ in pgflow.__all__


@pytest.mark.parametrize("cls", CLASSES, ids=lambda c: c.__name__)
def test_is_documented_with_its_meaning(cls):
    text = REFERENCE.read_text(encoding="utf-8")
    assert f"`{cls.__name__}`" in text
    assert cls.__doc__.splitlines()[0].rstrip(".") in text


@pytest.mark.parametrize("sqlstate", sorted(ERROR_BY_SQLSTATE))
def test_sqlstate_is_documented(sqlstate):
    assert sqlstate in REFERENCE.read_text(encoding="utf-8")


def test_each_sqlstate_has_a_class_made_from_a_message_alone():
    assert sorted(ERROR_BY_SQLSTATE) == [f"PF00{n}" for n in range(1, 10)]
    for cls in ERROR_BY_SQLSTATE.values():
        assert str(cls("said by the server")) == "said by the server"


@pytest.mark.parametrize(
    "error",
    [
        DefinitionError("wrong", flow="f", step="s", option="timeout"),
        errors.InputError("bad", field="pages.0"),
        errors.HandlerMissing("gone", handler="a:b"),
        errors.DatabaseError("no", sqlstate="42501"),
        errors.PluginError("broken", plugin="x"),
        RunFailed(RUN_ID, {"code": "LOST", "message": "m", "step_slug": "s"}),
        RunCancelled(RUN_ID, "enough"),
        RetryAfter(1.5),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize(
    "duplicate", [lambda e: pickle.loads(pickle.dumps(e)), copy.copy], ids=["pickle", "copy"]
)
def test_fields_survive_pickling_and_copying(error, duplicate):
    again = duplicate(error)
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert vars(again) == vars(error)


def test_definition_error_names_flow_step_and_option():
    error = DefinitionError("takes more", flow="f", step="s", option="timeout")
    assert str(error) == "flow 'f', step 's', option 'timeout': takes more"
    assert (error.flow, error.step, error.option) == ("f", "s", "timeout")


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (None, f"run {RUN_ID} failed"),
        ({"code": "LOST"}, f"run {RUN_ID} failed: LOST"),
        (
            {
                "code": "HANDLER_ERROR",
                "type": "ValueError",
                "message": "no",
                "step_slug": "s",
                "task_index": 3,
            },
            f"run {RUN_ID} failed at step 's', item 3: HANDLER_ERROR: ValueError: no",
        ),
    ],
)
def test_run_failed_says_where_and_why(error, text):
    failed = RunFailed(RUN_ID, error)
    assert str(failed) == text
    assert failed.step_slug == (error or {}).get("step_slug")


def test_run_failed_without_a_run_id_is_of_a_run_in_process():
    assert str(RunFailed(None, {"code": "X"})) == "the run failed: X"


def test_run_cancelled_gives_the_reason():
    assert str(RunCancelled(RUN_ID, "enough")) == f"run {RUN_ID} was cancelled: enough"
    assert str(RunCancelled(RUN_ID)) == f"run {RUN_ID} was cancelled"


@pytest.mark.parametrize(("given", "seconds"), [(2, 2.0), (0, 0.0), (timedelta(minutes=1), 60.0)])
def test_retry_after_takes_seconds_or_a_timedelta(given, seconds):
    assert RetryAfter(given).seconds == seconds


@pytest.mark.parametrize("wrong", [-1, float("nan"), float("inf"), timedelta(seconds=-1)])
def test_retry_after_refuses_what_is_no_delay(wrong):
    with pytest.raises(ValueError, match="finite number of seconds"):
        RetryAfter(wrong)
