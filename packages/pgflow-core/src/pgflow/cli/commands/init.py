"""`pgflow init`: a project to start from."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import click

from pgflow.cli._command import pgflow_command
from pgflow.cli._problems import Failure
from pgflow.cli._session import Session

_FILES = {"pgflow.toml": "pgflow.toml", "flows/hello.py": "hello.py"}
_IGNORED = ".pgflow/"


@pgflow_command(
    "init", example="pgflow init shop && cd shop && pgflow run flows.hello:hello --wait", database=False
)
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), default=Path())
def command(session: Session, folder: Path) -> None:
    """Write a pgflow.toml and a first flow that runs.

    FOLDER is made if it is missing (default: the working directory).  Existing files are never changed.
    """
    taken = [name for name in _FILES if (folder / name).exists()]
    if taken:
        raise Failure(
            f"{folder / taken[0]} exists already; nothing was written",
            mend="name another folder, or remove that file",
        )
    templates = files("pgflow.cli.templates")
    for name, template in _FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(templates.joinpath(template).read_text(encoding="utf-8"), encoding="utf-8")
    written = [str(folder / name) for name in _FILES]
    if session.as_json:
        session.output.document({"written": written})
        return
    for name in written:
        session.output.line(f"wrote {name}")
    enter = "" if folder == Path() else f"cd {folder} && "
    session.output.line(f"\nTry it:  {enter}pgflow run flows.hello:hello --wait")
    session.output.line(f"Keep {_IGNORED} (the embedded database) out of version control.")
