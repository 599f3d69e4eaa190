"""`pgflow plugins`: which executors there are, and what is wrong with the others."""

from __future__ import annotations

from rich.markup import escape

from pgflow.cli._command import pgflow_command
from pgflow.cli._problems import FAILED
from pgflow.cli._session import Session
from pgflow.plugins import Plugins, load_plugins


@pgflow_command("plugins", example="pgflow plugins --json", database=False)
def command(session: Session) -> None:
    """List the executors, and the plugins that are broken.

    Exits with 1 when a plugin is broken; the others work all the same.
    """
    plugins = load_plugins()
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
        "plugins": plugins.loaded,
        "problems": plugins.problems,
    }


def _print(session: Session, plugins: Plugins) -> None:
    origin = {name: plugin for plugin in plugins.loaded for name in plugin.executors}
    rows = [
        [
            escape(name),
            escape(f"{origin[name].distribution} {origin[name].version}"),
            escape(", ".join(sorted(executor.capabilities)) or "-"),
        ]
        for name, executor in sorted(plugins.executors.items())
    ]
    if rows:
        session.output.table(["EXECUTOR", "FROM", "CAPABILITIES"], rows)
    else:
        session.output.line("no executor is installed; `pip install pgflow-local` brings the local one")
    for problem in plugins.problems:
        session.output.line()
        session.output.line(
            f"[red]broken:[/] plugin {escape(problem.name)} of {escape(problem.distribution)}"
        )
        session.output.line(f"        {escape(problem.error)}")
        session.output.line(f"  [green]mend:[/] {escape(problem.mend)}")
