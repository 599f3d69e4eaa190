"""What is reported of an exception."""

import asyncio
import json
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pgflow import HandlerMissing, InputInvalid, NonRetryable, OutputInvalid, RetryAfter, TaskCancelled
from pgflow.runtime import Handler, error_of, failure_of, run_handler, run_handler_async
from pgflow.runtime.handlers import resolve


def raised(error, call=run_handler):
    def handler():
        raise error

    return caught_from(handler)


def caught_from(handler):
    try:
        run_handler(Handler("m:handler", handler), None, "{}")
    except BaseException as error:
        return error
    raise AssertionError


CODES = [
    (ValueError("no"), "HANDLER_ERROR", "ValueError", "fail", True, None),
    (TimeoutError(), "HANDLER_ERROR", "TimeoutError", "fail", True, None),
    (NonRetryable("never"), "NON_RETRYABLE", "NonRetryable", "fail", False, None),
    (RetryAfter(7), "RETRY_AFTER", "RetryAfter", "fail", True, 7.0),
    (HandlerMissing("gone"), "HANDLER_MISSING", "HandlerMissing", "release", True, 30.0),
    (InputInvalid("bad"), "INPUT_INVALID", "InputInvalid", "fail", False, None),
    (OutputInvalid("bad"), "OUTPUT_INVALID", "OutputInvalid", "fail", False, None),
    (TaskCancelled(), "CANCELLED", "TaskCancelled", "fail", True, None),
    (asyncio.CancelledError(), "CANCELLED_BY_HANDLER", "CancelledError", "fail", True, None),
    (SystemExit(3), "HANDLER_EXITED", "SystemExit", "fail", True, None),
    (
        ExceptionGroup("g", [ValueError(), RetryAfter(2), RetryAfter(5)]),
        "RETRY_AFTER",
        "ExceptionGroup",
        "fail",
        True,
        5.0,
    ),
    (
        ExceptionGroup("g", [RetryAfter(2), ExceptionGroup("h", [NonRetryable()])]),
        "NON_RETRYABLE",
        "ExceptionGroup",
        "fail",
        False,
        None,
    ),
    (ExceptionGroup("g", [ValueError()]), "HANDLER_ERROR", "ExceptionGroup", "fail", True, None),
]


@pytest.mark.parametrize(
    ("error", "code", "kind", "outcome", "retryable", "delay"),
    CODES,
    ids=lambda v: v if isinstance(v, str) else None,
)
def test_the_exception_decides_code_and_retry(error, code, kind, outcome, retryable, delay):
    failure = failure_of(raised(error))
    assert (failure.error["code"], failure.error["type"]) == (code, kind)
    assert (failure.outcome, failure.retryable, failure.retry_after_seconds) == (outcome, retryable, delay)
    assert error_of(error)["code"] == code


def test_subclasses_count_as_what_they_are():
    class Gone(NonRetryable):
        """It is gone."""

    failure = failure_of(raised(Gone()))
    assert failure.error["message"] == "It is gone."
    assert failure.retryable is False


def test_a_message_is_never_empty():
    assert error_of(ValueError())["message"] == "ValueError"


def test_an_exception_without_frames_has_no_traceback():
    assert error_of(ValueError("x")) == {"code": "HANDLER_ERROR", "message": "x", "type": "ValueError"}


def helper():
    raise LookupError("deep down")


def test_the_traceback_has_the_users_frames_only():
    def handler():
        try:
            helper()
        except LookupError as error:
            raise ValueError("on top") from error

    shown = error_of(caught_from(handler))["traceback"]
    assert "in handler" in shown
    assert "in helper" in shown
    assert shown.index("LookupError: deep down") < shown.index("ValueError: on top")
    assert "caught_from" not in shown
    assert str(Path("pgflow") / "runtime") not in shown


@pytest.mark.parametrize("sync", [True, False])
def test_neither_workers_nor_event_loops_frames_are_shown(sync):
    async def handler():
        helper()

    def plain():
        helper()

    with pytest.raises(LookupError) as caught:
        asyncio.run(run_handler_async(Handler("m:h", plain if sync else handler), None, "{}"))
    shown = error_of(caught.value)["traceback"]
    files = [line for line in shown.splitlines() if line.strip().startswith("File")]
    assert len(files) == 2
    assert all(Path(__file__).name in line for line in files)


def test_our_own_errors_show_no_frames():
    def wrong() -> int:
        return "x"

    assert "traceback" not in error_of(caught_from(wrong))


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("x = {}['y']\n", ["line 1, in <module>", "x = {}['y']", "KeyError: 'y'"]),
        ("x = (\n", ["x = (", "SyntaxError"]),
    ],
)
def test_a_handler_that_cannot_be_imported_shows_what_its_module_did(tmp_path, monkeypatch, source, lines):
    (tmp_path / "ill.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(HandlerMissing) as caught:
        resolve("ill:work")
    shown = error_of(caught.value)["traceback"]
    assert [line for line in lines if line not in shown] == []
    assert "HandlerMissing" not in shown
    assert "importlib" not in shown


def test_a_module_that_is_not_there_has_no_traceback():
    with pytest.raises(HandlerMissing) as caught:
        resolve("no_such_module_anywhere:work")
    assert "traceback" not in error_of(caught.value)


def test_a_long_traceback_keeps_its_end():
    def handler():
        raise ValueError("x" * 20_000 + "the end")

    error = error_of(caught_from(handler))
    assert len(error["traceback"].encode()) <= 8 * 1024
    assert error["traceback"].startswith("... (cut)\n")
    assert error["traceback"].endswith("the end\n")
    assert len(error["message"]) == 4 * 1024


def test_a_deep_recursion_is_reported_within_the_limit():
    def handler():
        return handler()

    error = error_of(caught_from(handler))
    assert error["type"] == "RecursionError"
    assert len(error["traceback"].encode()) <= 8 * 1024


@pytest.mark.parametrize("method", ["__str__", "__repr__"])
def test_an_exception_that_cannot_be_shown_is_reported_all_the_same(method):
    class Unspeakable(Exception):
        pass

    def fail(self):
        raise RuntimeError("no words")

    setattr(Unspeakable, method, fail)
    Unspeakable.__str__ = fail
    error = error_of(raised(Unspeakable()))
    assert error["type"] == "Unspeakable"
    assert "no words" in error["message"]


@given(st.text(st.characters() | st.sampled_from("\x00\ud800\udfff"), max_size=60))
def test_the_error_is_json_that_postgresql_stores(text):
    encoded = json.dumps(error_of(raised(ValueError(text))), ensure_ascii=False).encode()
    assert b"\x00" not in encoded
    assert b"\\u0000" not in encoded
    assert json.loads(encoded)["type"] == "ValueError"


def test_failures_carry_no_ids():
    assert str(UUID(int=1)) not in json.dumps(error_of(raised(ValueError("x"))))
