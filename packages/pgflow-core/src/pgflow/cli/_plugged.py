"""Commands that other distributions add: entry points of the group `pgflow.commands`, imported on use.

    [project.entry-points."pgflow.commands"]
    gpu = "my_package.commands.gpu:command"

The names are read from metadata, so that neither `pgflow --help` nor another command pays for a plugin's
imports or suffers from a broken one.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Final

import click

from pgflow.cli._problems import Failure

if TYPE_CHECKING:
    from pgflow.plugins import PluginProblem

__all__ = ["broken_commands", "load_command", "origin", "plugged_commands"]

_GROUP: Final = "pgflow.commands"


@functools.cache
def plugged_commands() -> dict[str, EntryPoint]:
    """Return the added commands, in the order of their names; of two of one name the first distribution's."""
    commands: dict[str, EntryPoint] = {}
    for point in sorted(entry_points(group=_GROUP), key=lambda point: (point.name, origin(point))):
        commands.setdefault(point.name, point)
    return commands


def load_command(point: EntryPoint) -> click.Command:
    """Import a command; raises Failure that says whose it is."""
    try:
        command: object = point.load()
    except (Exception, SystemExit) as error:
        raise _broken(point, f"cannot be imported: {type(error).__name__}: {error}") from error
    if not isinstance(command, click.Command):
        raise _broken(point, f"is no command: {point.value} is {command!r}")
    return command


def broken_commands() -> Iterator[PluginProblem]:
    """Import every added command, and say which cannot be used."""
    from pgflow.plugins import PluginProblem

    for point in plugged_commands().values():
        try:
            load_command(point)
        except Failure as problem:
            version = point.dist.version if point.dist is not None else "-"
            yield PluginProblem(point.name, origin(point), version, problem.message, problem.mend)


def origin(point: EntryPoint) -> str:
    """Name the distribution that adds a command."""
    return point.dist.name if point.dist is not None else "-"


def _broken(point: EntryPoint, what: str) -> Failure:
    whose = origin(point)
    return Failure(
        f"the command `{point.name}` of {whose} {what}",
        mend=f"upgrade or reinstall {whose}",
        kind="PluginError",
    )
