"""Handlers by reference."""

import sys

import pytest
from pgflow import HandlerMissing
from pgflow.runtime import resolve

MODULE = """
import functools

def work(n: int) -> int:
    return n

alias = work
number = 3
class Thing: ...
"""


@pytest.fixture
def modules(tmp_path, monkeypatch):
    resolve.cache_clear()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "modules", sys.modules.copy())
    (tmp_path / "work_module.py").write_text(MODULE)
    (tmp_path / "broken_module.py").write_text("1 / 0")
    (tmp_path / "unspelt_module.py").write_text("def (")
    (tmp_path / "leaning_module.py").write_text("import no_such_dependency")
    yield tmp_path
    resolve.cache_clear()


def test_a_handler_is_found_and_kept(modules):
    handler = resolve("work_module:work")
    assert handler.reference == "work_module:work"
    assert handler.function(3) == 3
    assert resolve("work_module:work") is handler
    assert resolve("work_module:alias").function is handler.function


@pytest.mark.parametrize(
    ("reference", "problem"),
    [
        ("work_module:nope", "module 'work_module' has no function 'nope'"),
        ("work_module:number", "has no function 'number'"),
        ("work_module:Thing", "has no function 'Thing'"),
        ("no_such_module:work", "cannot import 'no_such_module'.*ModuleNotFoundError"),
        ("broken_module:work", "cannot import 'broken_module'.*ZeroDivisionError"),
        ("unspelt_module:work", "SyntaxError"),
        ("leaning_module:work", "no_such_dependency"),
    ],
)
def test_what_cannot_be_imported_is_missing(modules, reference, problem):
    with pytest.raises(HandlerMissing, match=problem) as caught:
        resolve(reference)
    assert caught.value.handler == reference


@pytest.mark.parametrize(
    "reference",
    ["", "work", "work_module.work", "work_module:", ":work", "a:b.c", "a b:c", "a:b;c", "1a:b", ".a:b"],
)
def test_what_is_no_reference_is_refused(reference):
    with pytest.raises(HandlerMissing, match="is not of the form module:function"):
        resolve(reference)


def test_a_module_mended_later_is_found(modules):
    with pytest.raises(HandlerMissing):
        resolve("broken_module:work")
    (modules / "broken_module.py").write_text("def work(): ...")
    assert resolve("broken_module:work").reference == "broken_module:work"
