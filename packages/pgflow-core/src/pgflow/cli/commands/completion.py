"""`pgflow completion`: the Tab key in a shell."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from pgflow.cli._command import pgflow_command
from pgflow.cli._session import Session


@pgflow_command(
    "completion",
    example="pgflow completion fish > ~/.config/fish/completions/pgflow.fish\n"
    'eval "$(pgflow completion bash)"   # in ~/.bashrc\n'
    'eval "$(pgflow completion zsh)"    # in ~/.zshrc',
    database=False,
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(session: Session, shell: str) -> None:
    """Print a script that lets a shell complete commands, options, flows, runs and steps.

    Flows, runs and steps come from the configured database if it answers within two seconds.
    """
    from pgflow.cli.app import app

    chosen = get_completion_class(shell)
    assert chosen is not None
    script = chosen(app, {}, "pgflow", "_PGFLOW_COMPLETE").source()
    if session.as_json:
        session.output.document({"shell": shell, "script": script})
    else:
        click.echo(script)
