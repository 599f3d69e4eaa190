"""The operator's commands: what a step that names one is sent to a worker with."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError

from pgflow_local.settings import CommandSettings, LocalSettings
from pgflow_local.spawn import matching

__all__ = ["UnknownCommand", "command_for", "edited"]


class UnknownCommand(LookupError):
    """A step names a command that the operator did not configure."""


def command_for(name: str | None, settings: LocalSettings, instance: str) -> Mapping[str, Any] | None:
    """Return what a worker needs to run the command, None for no name; raises UnknownCommand."""
    if name is None:
        return None
    found = settings.commands.get(name)
    if found is None:
        known = ", ".join(settings.commands) or "none"
        raise UnknownCommand(
            f"there is no command {name!r} (there are: {known}); add [executors.{instance}.commands.{name}]"
        )
    return {
        "name": name,
        "argv": found.argv,
        "cwd": None if found.cwd is None else os.fspath(found.cwd),
        "environment": _environment(found),
        "timeout": None if found.timeout is None else found.timeout.total_seconds(),
    }


def edited(
    command: Mapping[str, Any], edit: Callable[[Mapping[str, Any]], Mapping[str, Any]]
) -> Mapping[str, Any]:
    """Let plugins edit how a command is started; raises ValueError for what cannot be."""
    shown = {"argv": list(command["argv"]), "cwd": command["cwd"], "environment": command["environment"]}
    try:
        made = CommandSettings.model_validate(edit(shown))
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        raise ValueError(f"what plugins made of command {command['name']!r} cannot run: {wrong}") from None
    cwd = None if made.cwd is None else os.fspath(made.cwd)
    return {**command, "argv": made.argv, "cwd": cwd, "environment": made.environment}


def _environment(command: CommandSettings) -> dict[str, str]:
    return {**matching(os.environ, command.pass_environment), **command.environment}
