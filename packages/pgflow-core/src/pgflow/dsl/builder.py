"""A flow while its body runs: places steps and checks each as it is placed."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from pgflow.dsl.handlers import reference_of
from pgflow.dsl.node import FlowInput, Node, PlacedStep, Taken
from pgflow.dsl.options import FlowOptions, MapOptions, StepOptions, engine_options
from pgflow.dsl.wiring import Wiring, wire
from pgflow.errors import DefinitionError
from pgflow.graph import DEFAULT_OPTIONS, check_slug

__all__ = ["FlowBuilder", "current_builder"]

_current: ContextVar[FlowBuilder | None] = ContextVar("pgflow_flow_being_defined", default=None)


def current_builder(caller: str) -> FlowBuilder:
    """Return the builder of the flow whose body is running, else raise DefinitionError."""
    builder = _current.get()
    if builder is None:
        raise DefinitionError(f"{caller}() works only in the body of a function decorated with @flow")
    return builder


class FlowBuilder:
    """Collects the steps of one flow."""

    def __init__(self, slug: str, defaults: Mapping[str, Any]) -> None:
        self.slug: str = check_slug(slug)
        self.options: dict[str, Any] = engine_options(defaults, FlowOptions, flow=self.slug)
        self.source: FlowInput = FlowInput(self.slug)
        self.steps: dict[str, PlacedStep] = {}
        self._runs_on: object = defaults.get("runs_on")

    @contextmanager
    def defining(self) -> Generator[None]:
        """Make this the flow that `step` and `map_step` add to."""
        token = _current.set(self)
        try:
            yield
        finally:
            _current.reset(token)

    def place(
        self,
        handler: Callable[..., Any],
        inputs: Sequence[Node[Any]],
        given: StepOptions,
        over: Node[Any] | None = None,
    ) -> Node[Any]:
        """Add a step that runs once, or once per item of `over`."""
        reference = reference_of(handler, flow=self.slug)
        slug = self._free_slug(given.get("slug", handler.__name__))
        kind = StepOptions if over is None else MapOptions
        options = engine_options(given, kind, flow=self.slug, step=slug)
        wiring = wire(self.source, slug, handler, over=over, inputs=inputs, given=given)
        skips, cascades = self._skipping(slug, options, wiring)
        executor, executor_options = self._executor(slug, given.get("runs_on", self._runs_on))
        self.steps[slug] = placed = PlacedStep(
            source=self.source,
            slug=slug,
            handler=handler,
            handler_ref=reference,
            wiring=wiring,
            options=options,
            executor=executor,
            executor_options=executor_options,
            skips=skips,
            cascades=cascades,
        )
        return Node(Taken(placed))

    def _free_slug(self, given: object) -> str:
        slug = check_slug(given, flow=self.slug)
        if slug in self.steps:
            raise DefinitionError(
                f"step {slug!r} is already defined: name this use of the handler with slug=", flow=self.slug
            )
        return slug

    def _skipping(self, slug: str, options: Mapping[str, Any], wiring: Wiring) -> tuple[bool, bool]:
        # A cascade skips every step downstream of it.  So what takes a step's result never meets the absence
        # a cascade caused (it is skipped as well); only the flow's result does.
        modes = {self._effective("when_exhausted", options)}
        if wiring.when or wiring.unless:
            modes.add(self._effective("when_unmet", options))
        elif "when_unmet" in options:
            raise DefinitionError(
                "has no effect without a condition: give when= or unless=",
                flow=self.slug,
                step=slug,
                option="when_unmet",
            )
        cascades = "skip_cascade" in modes or any(dep.cascades for dep in wiring.deps)
        return "skip" in modes, cascades

    def _effective(self, option: str, options: Mapping[str, Any]) -> Any:
        return options.get(option, self.options.get(option, DEFAULT_OPTIONS[option]))

    def _executor(self, slug: str, target: Any) -> tuple[str, Mapping[str, Any]]:
        if target is None:
            return "local", {}
        try:
            name, options = target.executor_name, dict(target.executor_options())
        except (AttributeError, TypeError):
            name, options = "", {}
        if not isinstance(name, str) or not name:
            raise DefinitionError(
                f"takes an object with executor_name and executor_options(), such as Target('gpu'), not "
                f"{target!r}",
                flow=self.slug,
                step=slug,
                option="runs_on",
            )
        return name, options
