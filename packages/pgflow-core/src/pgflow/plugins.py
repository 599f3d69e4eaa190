"""Find, load and check plugins, each by itself: a broken one is reported and never stops the others."""

from __future__ import annotations

import difflib
import inspect
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final, cast

import pluggy
from pydantic import BaseModel, ValidationError

from pgflow import hookspecs
from pgflow.errors import ConfigError, DefinitionError, PluginError
from pgflow.executor import API_VERSION, Executor, ReportTarget

__all__ = ["ExecutorInstance", "Plugin", "PluginProblem", "Plugins", "configure", "load_plugins"]

ENVIRONMENT_VARIABLE: Final = "PGFLOW_PLUGINS"
_NAME = re.compile(r"^[a-z][a-z0-9_-]*$")
_METHODS: Final = ("start", "aclose", "launch", "observe", "cancel")


@dataclass(frozen=True, slots=True)
class Plugin:
    """A plugin that loaded, and the names of the executors it brought."""

    name: str
    distribution: str
    version: str
    executors: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PluginProblem:
    """Why a plugin, or one executor of it, is not in use, and what mends it."""

    name: str
    distribution: str
    version: str
    error: str
    mend: str

    def __str__(self) -> str:
        return f"plugin {self.name!r} of {self.distribution} {self.version}: {self.error}; {self.mend}"


@dataclass(frozen=True, slots=True)
class Plugins:
    """What `load_plugins` found."""

    executors: Mapping[str, type[Executor]] = field(default_factory=dict[str, type[Executor]])
    problems: Sequence[PluginProblem] = ()
    loaded: Sequence[Plugin] = ()
    hooks: Mapping[str, pluggy.PluginManager] = field(default_factory=dict[str, pluggy.PluginManager])
    """By plugin, each by itself: what the dispatcher calls the other hooks through."""


@dataclass(frozen=True, slots=True)
class ExecutorInstance:
    """One configured executor: the name that steps use, the class, and its checked settings."""

    name: str
    executor: type[Executor]
    settings: BaseModel
    report_to: ReportTarget | None = None
    """Where attempts that it launches report to."""
    max_in_flight: int | None = None
    """Attempts under way at once, at most; None: as many as the executor has room for."""
    observe_every: float = 15.0
    """Seconds between two looks at a launched attempt."""

    def check_report_target(self) -> None:
        """Raise ConfigError unless attempts that run elsewhere know where to report to."""
        if self.report_to is None:
            raise ConfigError(
                f"executors.{self.name}: its attempts run elsewhere and must know where to report to; "
                f'set public_url = "https://..." in [api], the address at which they reach `pgflow serve` '
                f"or `pgflow dispatch --http`, or report_to in [executors.{self.name}]"
            )

    def step_options(self, options: Mapping[str, Any]) -> BaseModel:
        """Check a step's executor options; raises DefinitionError naming the key."""
        try:
            return self.executor.StepOptions.model_validate(options)
        except ValidationError as error:
            message = "; ".join(_complaints(error, self.executor.StepOptions, "option"))
            raise DefinitionError(f"executor {self.name!r}: {message}") from None


class _Broken(PluginError):
    """A plugin cannot be used; carries what mends it, and never leaves this module."""

    def __init__(self, error: str, mend: str) -> None:
        super().__init__(error)
        self.mend = mend


def load_plugins() -> Plugins:
    """Load the plugins of the entry-point group `pgflow`.

    The environment variable PGFLOW_PLUGINS, a comma-separated list of entry-point names, limits them
    ("" loads none).  Nothing a plugin does wrong is raised: see `problems`.
    """
    wanted = _wanted()
    found = [point for point in _entry_points() if wanted is None or point.name in wanted]
    executors: dict[str, type[Executor]] = {}
    problems: list[PluginProblem] = []
    loaded: list[Plugin] = []
    hooks: dict[str, pluggy.PluginManager] = {}
    for point in found:
        try:
            manager = _register(point)
            classes = _classes(manager)
        except _Broken as broken:
            problems.append(_problem(point, broken))
            continue
        kept: list[str] = []
        for cls in classes:
            try:
                name = _checked(cls, executors)
            except _Broken as broken:
                problems.append(_problem(point, broken))
            else:
                executors[name] = cast("type[Executor]", cls)
                kept.append(name)
        if kept or not classes:
            loaded.append(Plugin(point.name, *_origin(point), tuple(kept)))
            hooks[point.name] = manager
    for name in sorted((wanted or set()) - {point.name for point in found}):
        mend = f"install the distribution that brings it, or take it out of {ENVIRONMENT_VARIABLE}"
        problems.append(PluginProblem(name, "-", "-", "no such plugin is installed", mend))
    return Plugins(executors, problems, loaded, hooks)


def configure(plugins: Plugins, name: str, use: str, settings: Mapping[str, Any]) -> ExecutorInstance:
    """Make the instance that `[executors.<name>]` describes.

    Raises ConfigError when no loaded plugin brings `use`, or for a setting the executor does not take.
    """
    executor = plugins.executors.get(use)
    where = f"executors.{name}"
    if executor is None:
        known = ", ".join(sorted(plugins.executors)) or "none"
        mend = "`pip install pgflow-local`" if use == "local" else "install the plugin that brings it"
        broken = "".join(f"\n  {problem}" for problem in plugins.problems)
        raise ConfigError(
            f"{where}.use: no executor {use!r} is installed (there are: {known}); "
            f"{mend}, or mend its name{broken}"
        )
    try:
        return ExecutorInstance(name, executor, executor.Settings.model_validate(settings))
    except ValidationError as error:
        message = "; ".join(_complaints(error, executor.Settings, "setting"))
        raise ConfigError(f"{where}: {message}") from None


def _wanted() -> set[str] | None:
    value = os.environ.get(ENVIRONMENT_VARIABLE)
    return None if value is None else {name.strip() for name in value.split(",") if name.strip()}


def _entry_points() -> list[EntryPoint]:
    """List the group in an order that does not depend on the import path."""
    return sorted(entry_points(group=hookspecs.PROJECT), key=lambda point: (point.name, _origin(point)))


def _register(point: EntryPoint) -> pluggy.PluginManager:
    """Load one plugin by itself; raises _Broken."""
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    try:
        plugin = point.load()
    except (Exception, SystemExit) as error:
        raise _Broken(
            f"{point.value} cannot be imported: {_said(error)}", "reinstall or upgrade it, or remove it"
        ) from error
    try:
        manager.register(plugin, point.name)
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        raise _Broken(f"a hook is wrong: {_said(error)}", "compare it with pgflow.hookspecs") from error
    if not manager.get_hookcallers(plugin):
        raise _Broken(
            "it implements no hook",
            f"mark pgflow_register_executors in {point.value} with pgflow.hookspecs.hookimpl",
        )
    return manager


def _classes(manager: pluggy.PluginManager) -> list[object]:
    """Ask a plugin for its executors; raises _Broken."""
    try:
        answers: list[object] = manager.hook.pgflow_register_executors()
        return [cls for answer in answers for cls in cast("Sequence[object]", answer)]
    except (Exception, SystemExit) as error:
        raise _Broken(
            f"pgflow_register_executors raised {_said(error)}", "it must return a list of executor classes"
        ) from error


def _checked(cls: object, taken: Mapping[str, type[Executor]]) -> str:
    """Return the executor's name; raises _Broken for a class that is not an executor of this version."""
    if not isinstance(cls, type):
        raise _Broken(f"{cls!r} is not a class", "pgflow_register_executors returns classes, not instances")
    version = getattr(cls, "api_version", None)
    if version != API_VERSION:
        raise _Broken(
            f"{cls.__name__} speaks api_version {version}, this pgflow-core speaks {API_VERSION}",
            "upgrade whichever of the two is older",
        )
    faults = list(_faults(cls))
    if faults:
        raise _Broken(f"{cls.__name__} {'; '.join(faults)}", "see pgflow.executor.Executor")
    executor = cast("type[Executor]", cls)
    name = executor.name
    if name in taken:
        other = taken[name]
        raise _Broken(
            f"{executor.__name__} is named {name!r}, as {other.__module__}.{other.__qualname__} already is",
            f"uninstall one of the two, or leave one out of {ENVIRONMENT_VARIABLE}",
        )
    return name


def _faults(cls: type) -> Iterator[str]:
    name = getattr(cls, "name", None)
    if not isinstance(name, str) or not _NAME.match(name):
        yield f"has no usable name ({name!r} does not match {_NAME.pattern})"
    for attribute in ("Settings", "StepOptions"):
        model = getattr(cls, attribute, None)
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            yield f"has no pydantic model {attribute}"
        elif model.model_config.get("extra") != "forbid":
            yield f'{attribute} lets unknown keys pass (model_config lacks extra="forbid")'
    if not isinstance(getattr(cls, "capabilities", None), frozenset):
        yield "has no frozenset capabilities"
    if not hasattr(cls, "capacity") and "capacity" not in inspect.get_annotations(cls):
        yield "has no capacity"
    for method in _METHODS:
        if not inspect.iscoroutinefunction(getattr(cls, method, None)):
            yield f"has no async method {method}"


def _problem(point: EntryPoint, broken: _Broken) -> PluginProblem:
    return PluginProblem(point.name, *_origin(point), str(broken), broken.mend)


def _origin(point: EntryPoint) -> tuple[str, str]:
    return (point.dist.name, point.dist.version) if point.dist is not None else ("-", "-")


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


def _complaints(error: ValidationError, model: type[BaseModel], noun: str) -> Iterator[str]:
    """Say each problem without the value: it may be a secret."""
    for problem in error.errors(include_input=False, include_url=False):
        key = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            close = difflib.get_close_matches(key, model.model_fields, n=1)
            known = ", ".join(model.model_fields) or "none"
            hint = f"did you mean `{close[0]}`?" if close else f"known {noun}s are: {known}"
            yield f"unknown {noun} `{key}`; {hint}"
        elif problem["type"] == "missing":
            yield f"{noun} `{key}` is missing; add it"
        else:
            yield f"{noun} `{key}` is wrong: {problem['msg']}; mend its value"
