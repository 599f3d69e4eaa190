"""Calling handlers: JSON text in, JSON text out, whatever they raise."""

import asyncio
import contextvars
import functools
import gc
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from uuid import UUID

import pytest
from pgflow import HandlerAborted, HandlerMissing, InputInvalid, NotInTask, OutputInvalid, current_task
from pgflow.runtime import Handler, run_handler, run_handler_async
from pgflow.runtime.context import Task

TASK = Task(UUID(int=1), "f", "s", 3, 2)


@dataclass
class Page:
    text: str


def shout(page: Page, times: int = 1) -> str:
    return page.text.upper() * times


async def shout_async(page: Page, times: int = 1) -> str:
    await asyncio.sleep(0)
    return page.text.upper() * times


def shout_later(page: Page, times: int = 1):
    return shout_async(page, times)


def nothing() -> None: ...


def raises(error):
    def handler():
        raise error

    return handler


def raises_async(error):
    async def handler():
        raise error

    return handler


def who() -> str:
    return f"{current_task().step_slug} {current_task().task_index}"


async def who_async() -> str:
    await asyncio.sleep(0)
    inner = await asyncio.to_thread(who)
    return f"{inner} {current_task().attempt}"


def of(function):
    return Handler(f"m:{function.__name__}", function)


def sync(function, params=None, input_json="{}", **options):
    return run_handler(of(function), params, input_json, **options)


def in_loop(function, params=None, input_json="{}", **options):
    return asyncio.run(run_handler_async(of(function), params, input_json, **options))


WAYS = pytest.mark.parametrize("way", [sync, in_loop])


@WAYS
@pytest.mark.parametrize("function", [shout, shout_async, shout_later])
class TestCalls:
    def test_parameters_take_what_params_say(self, way, function):
        text = '{"run":{"text":"a"},"count":2,"more":null}'
        assert way(function, '{"page":"run","times":"count"}', text) == '"AA"'

    def test_constants_are_in_the_params(self, way, function):
        assert way(function, '{"page":"run","times":{"const":3}}', '{"run":{"text":"a"}}') == '"AAA"'
        assert way(function, '{"page":{"const":{"text":"b"}}}') == '"B"'

    def test_a_constant_that_does_not_fit_names_the_parameter(self, way, function):
        with pytest.raises(
            InputInvalid, match=r"parameter 'page' of m:.* cannot take its constant: text: Field"
        ):
            way(function, '{"page":{"const":{}}}')

    def test_without_params_keys_are_taken_by_name(self, way, function):
        assert way(function, None, '{"page":{"text":"a"},"times":2}') == '"AA"'
        assert way(function, None, '{"page":{"text":"a"}}') == '"A"'

    def test_without_params_a_sole_parameter_takes_a_sole_key(self, way, function):
        assert way(function, None, '{"item":{"text":"a"}}') == '"A"'

    @pytest.mark.parametrize("text", ['{"a":{"text":"a"},"b":1}', "{}"])
    def test_without_params_a_missing_key_is_refused(self, way, function, text):
        with pytest.raises(
            InputInvalid, match=r"takes 'page', but the input has (a, b|nothing): give the step params"
        ):
            way(function, None, text)

    def test_an_input_that_does_not_fit_names_the_parameter(self, way, function):
        with pytest.raises(
            InputInvalid, match=r"parameter 'page' of m:.* cannot take 'run': run.text: Field"
        ) as caught:
            way(function, '{"page":"run"}', '{"run":{}}')
        assert caught.value.parameter == "page"

    def test_a_skipped_dependency_for_a_parameter_that_wants_a_value(self, way, function):
        with pytest.raises(
            InputInvalid, match=r"parameter 'page' of .* does not accept None, but step 'dep' was skipped"
        ):
            way(function, '{"page":"dep"}', "{}")

    def test_params_for_another_handler_are_refused(self, way, function):
        with pytest.raises(InputInvalid, match="has no parameter 'pages'"):
            way(function, '{"pages":"run"}', '{"run":1}')

    @pytest.mark.parametrize("text", ["", "[1]", "{", "null"])
    def test_what_is_no_object_is_refused(self, way, function, text):
        with pytest.raises(InputInvalid):
            way(function, '{"page":"run"}', text)


@WAYS
def test_no_parameters_and_no_result(way):
    assert way(nothing) == "null"
    assert way(nothing, None, '{"dep":1}') == "null"


@WAYS
@pytest.mark.parametrize("make", [raises, raises_async], ids=["sync", "async"])
class TestFailures:
    @pytest.mark.parametrize("error", [ValueError("no"), TimeoutError(), KeyError("k")])
    def test_an_exception_passes_as_it_is(self, way, make, error):
        with pytest.raises(type(error)) as caught:
            way(make(error))
        assert caught.value is error

    @pytest.mark.parametrize("error", [SystemExit(3), asyncio.CancelledError(), BaseException("odd")])
    def test_what_would_end_the_worker_becomes_an_ordinary_failure(self, way, make, error):
        with pytest.raises(HandlerAborted, match=f"the handler ended with {type(error).__name__}") as caught:
            way(make(error))
        assert type(caught.value.__cause__) is type(error)

    def test_stop_iteration_does_not_hang(self, way, make):
        with ThreadPoolExecutor(1) as pool:
            error = pool.submit(way, make(StopIteration())).exception(timeout=10)
        assert isinstance(error, StopIteration | RuntimeError)


@pytest.mark.parametrize("function", [who, who_async])
@WAYS
def test_the_task_is_current_in_the_handler_only(way, function):
    assert way(function, task=TASK).startswith('"s 3')
    with pytest.raises(NotInTask):
        way(function)
    with pytest.raises(NotInTask):
        current_task()


def test_keyboard_interrupt_passes():
    with pytest.raises(KeyboardInterrupt):
        sync(raises(KeyboardInterrupt()))


@WAYS
def test_a_bad_result_is_refused(way):
    def wrong() -> int:
        return "three"

    with pytest.raises(OutputInvalid, match=r"the result of m:wrong is not valid: .*valid integer"):
        way(wrong)


def test_sync_code_keeps_one_event_loop_per_thread():
    async def loop_id() -> int:
        return id(asyncio.get_running_loop())

    first = sync(loop_id)
    others = []
    thread = threading.Thread(target=lambda: others.append((sync(loop_id), sync(loop_id))))
    thread.start()
    thread.join(10)
    assert sync(loop_id) == first
    assert others[0][0] == others[0][1] != first
    gc.collect()  # an event loop left open would warn here


def test_the_kept_event_loop_is_closed_quietly_when_the_program_ends():
    code = """
import asyncio, sys
from pgflow.runtime import Handler, run_handler

async def handler() -> str:
    return await asyncio.to_thread(str, 3)

print(run_handler(Handler("m:handler", handler), None, "{}"))
"""
    command = [sys.executable, "-W", "default", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, '"3"\n', "")


async def test_a_cancelled_caller_cancels_the_handler():
    started, ended = asyncio.Event(), []

    async def waits() -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    running = asyncio.create_task(run_handler_async(of(waits), None, "{}"))
    await asyncio.wait_for(started.wait(), 10)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert ended == [True]


async def test_a_handler_that_ignores_cancellations_is_waited_for_however_many_there_are():
    heard, over = asyncio.Queue(), asyncio.Event()

    async def stubborn() -> None:
        while not over.is_set():
            try:
                heard.put_nowait(None)
                await over.wait()
            except asyncio.CancelledError:
                continue

    running = asyncio.create_task(run_handler_async(of(stubborn), None, "{}"))
    try:
        for _ in range(3):
            await asyncio.wait_for(heard.get(), 10)
            assert not running.done()
            running.cancel()
        await asyncio.wait_for(heard.get(), 10)
        assert not running.done()
    finally:
        over.set()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_a_handler_that_cancels_its_own_task_is_a_failure():
    async def cancels() -> None:
        asyncio.current_task().cancel()
        await asyncio.sleep(0)

    with pytest.raises(HandlerAborted, match="CancelledError"):
        await run_handler_async(of(cancels), None, "{}")
    assert asyncio.current_task().cancelling() == 0


async def test_a_timeout_inside_the_handler_is_a_timeout_error():
    async def hurried() -> None:
        async with asyncio.timeout(0):
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        await run_handler_async(of(hurried), None, "{}")


async def test_sync_handlers_run_beside_the_loop():
    meeting = threading.Barrier(2)

    def meets() -> bool:
        meeting.wait(10)
        return True

    assert await asyncio.gather(*(run_handler_async(of(meets), None, "{}") for _ in range(2))) == [
        "true",
        "true",
    ]


async def test_context_variables_reach_the_handler():
    variable = contextvars.ContextVar("variable", default="unset")
    variable.set("seen")

    def read() -> str:
        return variable.get()

    assert await run_handler_async(of(read), None, "{}") == '"seen"'


def test_a_reference_is_resolved():
    assert run_handler("operator:neg", '{"a":"item"}', '{"item":3}') == "-3"
    with pytest.raises(HandlerMissing):
        run_handler("operator:nope", None, "{}")


def test_a_wrapped_handler_is_called_through_its_wrapper():
    @functools.wraps(shout)
    def wrapper(*args, **kwargs):
        return shout(*args, **kwargs) + "!"

    assert sync(wrapper, '{"page":"run"}', '{"run":{"text":"a"}}') == '"A!"'
