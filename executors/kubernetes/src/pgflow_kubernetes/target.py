"""What a flow says to run a step as a Kubernetes Job."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["Job"]


@dataclass(frozen=True, slots=True)
class Job:
    """Runs a step as a Job: `runs_on=Job(memory="16Gi", gpu=1)`.

    What is not given is as the operator configured it.  `command` replaces `python -m pgflow.runtime`, for
    programs in any language, and `envelope` is how they read what they are to do; `volumes` are volume
    sources by mount path; `manifest_patch` is merged into the Job last.  `executor_name` is the instance, as
    `[executors.<name>]` calls it.
    """

    image: str | None = None
    cpu: float | str | None = None
    memory: str | None = None
    gpu: int | None = None
    env: Mapping[str, str] | None = None
    service_account: str | None = None
    node_selector: Mapping[str, str] | None = None
    tolerations: Sequence[Mapping[str, Any]] | None = None
    volumes: Mapping[str, Mapping[str, Any]] | None = None
    command: Sequence[str] | None = None
    envelope: Literal["env", "file", "stdin"] | None = None
    manifest_patch: Mapping[str, Any] | None = None
    executor_name: str = "kubernetes"

    def executor_options(self) -> Mapping[str, Any]:
        """Return what was asked for."""
        asked = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {name: value for name, value in asked.items() if value is not None and name != "executor_name"}
