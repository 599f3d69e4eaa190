"""What may be a handler: only what a worker can import, and the mend is in the message."""

import functools
import operator
import sys
import types

import pytest
from pgflow import DefinitionError, Node, const, flow, step

double_lambda = lambda n: 2 * n  # noqa: E731


def double(n: int) -> int:
    return 2 * n


def spread(*numbers: int) -> int:
    return sum(numbers)


def count_up(n: int):
    yield from range(n)


async def stream(n: int):
    yield n


def keyword_only(n: int, *, scale: int) -> int:
    return n * scale


class Calculator:
    def double(self, n: int) -> int:
        return 2 * n

    @staticmethod
    def triple(n: int) -> int:
        return 3 * n

    def __call__(self, n: int) -> int:
        return n


def use(handler, *constants):
    @flow(slug="f")
    def body(n: Node[int]) -> Node[int]:
        return step(handler, n, *map(const, constants))

    return body


def local_function():
    def inner(n: int) -> int:
        return n

    return inner


def in_main():
    module = types.ModuleType("__main__")
    exec("def handler(n): return n", vars(module))
    return module.handler


REFUSED = {
    "lambda": (double_lambda, "is a lambda, which no worker can import"),
    "local": (local_function(), "is defined inside a function"),
    "bound method": (Calculator().double, "is a method"),
    "method of a class": (Calculator.double, "belongs to a class"),
    "static method": (Calculator.triple, "belongs to a class"),
    "class": (Calculator, "is a class"),
    "callable object": (Calculator(), "is not a function"),
    "partial": (functools.partial(double, 3), r"give the fixed argument with const\(\.\.\.\)"),
    "text": ("double", "is not a function"),
    "none": (None, "is not a function"),
    "method of a builtin": (str.upper, "is not a function"),
    "bound builtin": ([].append, "belongs to no module"),
    "generator": (count_up, "return a list"),
    "async generator": (stream, "return a list"),
    "__main__": (in_main(), "move it to a module"),
}


@pytest.mark.parametrize(("handler", "message"), REFUSED.values(), ids=REFUSED)
def test_what_no_worker_can_import_is_refused(handler, message):
    with pytest.raises(DefinitionError, match=message) as caught:
        use(handler)
    assert caught.value.flow == "f"


@pytest.mark.parametrize(
    ("handler", "reference"), [(double, f"{__name__}:double"), (operator.neg, "_operator:neg")]
)
def test_module_level_functions_and_builtins_are_accepted(handler, reference):
    assert use(handler).definition.steps[0].handler == reference


@pytest.mark.parametrize(
    ("handler", "constants", "message"),
    [
        (double, [1], "cannot be called with 2 inputs: too many positional arguments"),
        (keyword_only, [], "cannot be called with 1 input: missing a required"),
        (spread, [], r"takes \*numbers.*name its parameters"),
    ],
)
def test_inputs_must_fit_the_parameters(handler, constants, message):
    with pytest.raises(DefinitionError, match=message) as caught:
        use(handler, *constants)
    assert (caught.value.flow, caught.value.step) == ("f", handler.__name__)


def test_a_name_that_now_means_something_else_is_refused_when_the_definition_is_made(monkeypatch):
    defined = use(double)
    monkeypatch.setattr(sys.modules[__name__], "double", local_function())
    with pytest.raises(DefinitionError, match=r"a worker would import .*:double, which is now"):
        _ = defined.definition


def test_a_wrapped_handler_keeps_its_name(monkeypatch):
    @functools.wraps(double)
    def wrapper(n):
        return double(n) + 1

    original = double
    monkeypatch.setattr(sys.modules[__name__], "double", wrapper)
    assert use(wrapper).definition.steps[0].handler == f"{__name__}:double"
    with pytest.raises(DefinitionError, match="which is now"):
        _ = use(original).definition
