"""`pgflow lambda`: what puts a project's steps on AWS Lambda."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from pgflow.cli.kit import CommandGroup, Failure, Problem, Session, pgflow_command

from pgflow_lambda.packaging import (
    HANDLER,
    Archive,
    InstallFailed,
    Platform,
    SourceMissing,
    TooLarge,
    package,
)
from pgflow_lambda.packaging.archive import MB
from pgflow_lambda.packaging.platforms import PYTHONS

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group("lambda", cls=CommandGroup, epilog="pgflow lambda package shop.flows -o function.zip")
def command() -> None:
    """Put steps on AWS Lambda."""


@pgflow_command("package", example="pgflow lambda package shop.flows -o function.zip", database=False)
@click.argument("modules", metavar="MODULE...", nargs=-1, required=True)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    default="function.zip",
    show_default=True,
    help="Where to write it.",
)
@click.option(
    "--python",
    type=click.Choice(PYTHONS),
    default=Platform().python,
    help="Version of the function's runtime (default: this Python's).",
)
@click.option(
    "--arch",
    type=click.Choice(["x86_64", "arm64"]),
    default="x86_64",
    show_default=True,
    help="Its processor.",
)
@click.option(
    "-r", "--requirements", type=_FILE, multiple=True, help="File of what the modules import, for pip."
)
@click.option(
    "--include",
    type=click.Path(exists=True, path_type=Path),
    multiple=True,
    help="File or folder that goes along besides.",
)
@click.option("--postgres", is_flag=True, help="Bring psycopg, to report to the database itself.")
def package_(session: Session, modules: tuple[str, ...], **options: Any) -> None:
    """Write the zip of a function that runs the handlers of some modules.

    Each MODULE names flows, or functions.  Its top-level package goes along whole, with the task runtime and
    the wheels that it needs for the function's Python and processor.  The same sources and wheels make the
    same bytes.
    """
    platform = Platform(options["python"], options["arch"])
    try:
        made = package(
            modules,
            options["output"],
            folders=session.config.pythonpath,
            platform=platform,
            include=options["include"],
            requirements=options["requirements"],
            with_postgres=options["postgres"],
        )
    except SourceMissing as error:
        raise Problem(str(error)) from None
    except (InstallFailed, TooLarge) as error:
        raise Failure(str(error)) from None
    _tell(session, made, platform)


def _tell(session: Session, made: Archive, platform: Platform) -> None:
    if session.as_json:
        told = {
            "path": made.path,
            "zipped_bytes": made.zipped,
            "unzipped_bytes": made.unzipped,
            "handler": HANDLER,
            "runtime": platform.runtime,
            "architecture": platform.architecture,
        }
        session.output.document(told)
        return
    sizes = f"{made.zipped / MB:.1f} MB, unpacked {made.unzipped / MB:.1f} MB"
    session.output.line(f"wrote {made.path}: {sizes}")
    session.output.line(
        f"handler {HANDLER}, runtime {platform.runtime}, architecture {platform.architecture}"
    )


command.add_command(package_)
