"""`pgflow plugins`: which executors and commands there are, and what is wrong with the others."""

from __future__ import annotations

from dataclasses import replace

from rich.markup import escape

from pgflow.cli._command import pgflow_command
from pgflow.cli._plugged import broken_commands, origin, plugged_commands
from pgflow.cli._problems import FAILED
from pgflow.cli._session import Session
from pgflow.plugins import Plugins, load_plugins


@pgflow_command("plugins", example="pgflow plugins --json", database=False)
def command(session: Session) -> None:
    """List the executors, the commands of plugins, and the plugins that are broken.

    Exits with 1 when a plugin is broken; the others work all the same.
    """
    plugins = load_plugins()
    plugins = replace(plugins, problems=[*plugins.problems, *broken_commands()])
    if session.as_json:
        session.output.document(_document(plugins))
    else:
        _print(session, plugins)
    if plugins.problems:
        raise SystemExit(FAILED)


def _document(plugins: Plugins) -> dict[str, object]:
    return {
        "executors": [
            {
                "name": name,
                "class": f"{executor.__module__}:{executor.__qualname__}",
                "capabilities": sorted(executor.capabilities),
            }
            for name, executor in sorted(plugins.executors.items())
        ],
        "commands": [
            {"name": name, "distribution": origin(point), "function": point.value}
            for name, point in plugged_commands().items()
        ],
        "plugins": plugins.loaded,
        "problems": plugins.problems,
    }


def _print(session: Session, plugins: Plugins) -> None:
    brought_by = {name: plugin for plugin in plugins.loaded for name in plugin.executors}
    rows = [
        [
            escape(name),
            escape(f"{brought_by[name].distribution} {brought_by[name].version}"),
            escape(", ".join(sorted(executor.capabilities)) or "-"),
        ]
        for name, executor in sorted(plugins.executors.items())
    ]
    if rows:
        session.output.table(["EXECUTOR", "FROM", "CAPABILITIES"], rows)
    else:
        session.output.line("no executor is installed; `pip install pgflow-local` brings the local one")
    if commands := plugged_commands():
        session.output.line()
        rows = [[escape(name), escape(origin(point))] for name, point in commands.items()]
        session.output.table(["COMMAND", "FROM"], rows)
    for problem in plugins.problems:
        session.output.line()
        session.output.line(
            f"[red]broken:[/] plugin {escape(problem.name)} of {escape(problem.distribution)}"
        )
        session.output.line(f"        {escape(problem.error)}")
        session.output.line(f"  [green]mend:[/] {escape(problem.mend)}")
