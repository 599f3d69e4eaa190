"""The typed DSL: plain functions wired over handles into a flow."""

from __future__ import annotations

from pgflow.dsl.conditions import Condition, contains
from pgflow.dsl.decorator import flow
from pgflow.dsl.flow import Flow
from pgflow.dsl.maps import map_step
from pgflow.dsl.node import Node, const
from pgflow.dsl.options import FlowOptions, MapOptions, Seconds, StepOptions
from pgflow.dsl.steps import step
from pgflow.dsl.target import RunsOn, Target

__all__ = [
    "Condition",
    "Flow",
    "FlowOptions",
    "MapOptions",
    "Node",
    "RunsOn",
    "Seconds",
    "StepOptions",
    "Target",
    "const",
    "contains",
    "flow",
    "map_step",
    "step",
]
