"""Plugins are loaded each by itself: real distributions on a real import path, some of them broken."""

import textwrap

import pytest
from pgflow.plugins import load_plugins

GOOD = """
from collections.abc import Sequence
from datetime import timedelta
from typing import ClassVar
from pydantic import BaseModel, ConfigDict
from pgflow.hookspecs import hookimpl

class Options(BaseModel):
    model_config = ConfigDict(extra="forbid")
    memory_mb: int = 128

class {cls}:
    name = "{name}"
    Settings = Options
    StepOptions = Options
    capabilities = frozenset()
    api_version = 1
    capacity = 1
    async def start(self, ctx): ...
    async def aclose(self): ...
    async def launch(self, attempt): ...
    async def observe(self, refs): ...
    async def cancel(self, ref, grace): ...
"""
HOOK = """
@hookimpl
def pgflow_register_executors():
    return [{cls}]
"""


def good(name="good", cls="Good"):
    return (GOOD + HOOK).format(name=name, cls=cls)


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Install a distribution with one plugin module; only plugins installed so are loaded."""
    monkeypatch.syspath_prepend(tmp_path)
    names = []

    def install(name, source, *, distribution=None, version="1.2.3"):
        distribution = distribution or f"dist-{name}"
        module = distribution.replace("-", "_") + f"_{len(names)}_{tmp_path.name}"
        (tmp_path / f"{module}.py").write_text(textwrap.dedent(source))
        info = tmp_path / f"{distribution.replace('-', '_')}-{version}.dist-info"
        info.mkdir(exist_ok=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
        with (info / "entry_points.txt").open("a") as file:
            file.write(("[pgflow]\n" if file.tell() == 0 else "") + f"{name} = {module}\n")
        names.append(name)
        monkeypatch.setenv("PGFLOW_PLUGINS", ",".join(names))

    return install


def test_a_good_plugin_brings_its_executor(install):
    install("good", good())
    plugins = load_plugins()
    assert list(plugins.executors) == ["good"]
    assert plugins.problems == []
    (plugin,) = plugins.loaded
    assert (plugin.name, plugin.distribution, plugin.version) == ("good", "dist-good", "1.2.3")
    assert plugin.executors == ("good",)


def test_a_plugin_may_bring_hooks_alone(install):
    source = (
        "from pgflow.hookspecs import hookimpl\n@hookimpl\ndef pgflow_redact(text): return text.upper()\n"
    )
    install("loud", source)
    plugins = load_plugins()
    assert plugins.problems == []
    assert [(plugin.name, plugin.executors) for plugin in plugins.loaded] == [("loud", ())]
    assert plugins.hooks["loud"].hook.pgflow_redact(text="a") == ["A"]


def broken(body):
    return GOOD.format(name="bad", cls="Bad") + body


BROKEN = {
    "import_error": ("import no_such_module_at_all", "No module named 'no_such_module_at_all'"),
    "syntax_error": ("def broken(:", "SyntaxError"),
    "exit_at_import": ("raise SystemExit(3)", "SystemExit: 3"),
    "raising_hook": (
        broken("@hookimpl\ndef pgflow_register_executors():\n    raise RuntimeError('no licence')\n"),
        "pgflow_register_executors raised RuntimeError: no licence",
    ),
    "misspelt_hook": (
        broken("@hookimpl\ndef pgflow_register_executor():\n    return [Bad]\n"),
        "unknown hook 'pgflow_register_executor'",
    ),
    "unknown_argument": (
        broken("@hookimpl\ndef pgflow_register_executors(registry):\n    return [Bad]\n"),
        "Argument(s) {'registry'} are declared in the hookimpl but can not be found",
    ),
    "no_hook": (broken(""), "it implements no hook"),
    "not_a_list": (
        broken(HOOK.format(cls="Bad").replace("[Bad]", "Bad")),
        "pgflow_register_executors raised",
    ),
    "instance": (broken(HOOK.format(cls="Bad()")), "is not a class"),
    "old_api": (
        broken(HOOK.format(cls="Bad")).replace("api_version = 1", "api_version = 0"),
        "Bad speaks api_version 0, this pgflow-core speaks 1",
    ),
    "no_api": (broken(HOOK.format(cls="Bad")).replace("api_version = 1", ""), "api_version None"),
    "no_method": (
        broken(HOOK.format(cls="Bad")).replace("async def cancel", "async def abort"),
        "has no async method cancel",
    ),
    "sync_method": (
        broken(HOOK.format(cls="Bad")).replace("async def observe", "def observe"),
        "has no async method observe",
    ),
    "no_settings": (
        broken(HOOK.format(cls="Bad")).replace("Settings = Options", "Settings = dict"),
        "has no pydantic model Settings",
    ),
    "lax_settings": (broken(HOOK.format(cls="Bad")).replace("forbid", "allow"), "lets unknown keys pass"),
    "bad_name": (broken(HOOK.format(cls="Bad")).replace('"bad"', '"Bad Name"'), "has no usable name"),
}


@pytest.mark.parametrize(("source", "error"), BROKEN.values(), ids=BROKEN)
def test_a_broken_plugin_is_reported_and_stops_no_other(install, source, error):
    install("bad", source, version="0.9")
    install("good", good())
    plugins = load_plugins()
    assert list(plugins.executors) == ["good"]
    (problem,) = plugins.problems
    assert (problem.name, problem.distribution, problem.version) == ("bad", "dist-bad", "0.9")
    assert error in problem.error
    assert problem.mend
    assert [plugin.name for plugin in plugins.loaded] == ["good"]


def test_a_name_taken_twice_stays_with_the_first_by_entry_point_name(install):
    install("b-second", good("gpu", "Second"))
    install("a-first", good("gpu", "First"))
    plugins = load_plugins()
    assert plugins.executors["gpu"].__name__ == "First"
    (problem,) = plugins.problems
    assert problem.name == "b-second"
    assert "Second is named 'gpu'" in problem.error
    assert "First already is" in problem.error


def test_one_broken_class_does_not_take_its_sibling_with_it(install):
    install(
        "pair",
        GOOD.format(name="one", cls="One")
        + GOOD.format(name="two", cls="Two").replace("api_version = 1", "api_version = 99")
        + HOOK.format(cls="One, Two"),
    )
    plugins = load_plugins()
    assert list(plugins.executors) == ["one"]
    assert "Two speaks api_version 99" in plugins.problems[0].error


def test_the_environment_variable_limits_what_is_loaded(install, monkeypatch):
    install("one", good("one", "One"))
    install("two", good("two", "Two"))
    install("poison", "raise AssertionError('loaded although not named')")
    monkeypatch.setenv("PGFLOW_PLUGINS", " two ,")
    plugins = load_plugins()
    assert list(plugins.executors) == ["two"]
    assert plugins.problems == []


def test_an_empty_variable_loads_none(install, monkeypatch):
    install("one", good("one", "One"))
    monkeypatch.setenv("PGFLOW_PLUGINS", "")
    plugins = load_plugins()
    assert (dict(plugins.executors), plugins.problems) == ({}, [])


def test_a_plugin_named_but_not_installed_is_a_problem(monkeypatch):
    monkeypatch.setenv("PGFLOW_PLUGINS", "nowhere")
    (problem,) = load_plugins().problems
    assert problem.name == "nowhere"
    assert "no such plugin is installed" in problem.error


def test_without_the_variable_all_are_loaded(install, monkeypatch):
    install("one", good("one", "One"))
    monkeypatch.delenv("PGFLOW_PLUGINS")
    assert "one" in load_plugins().executors
