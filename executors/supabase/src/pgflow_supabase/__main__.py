"""`python -m pgflow_supabase serve FOLDER`: edge functions on this machine, as Supabase runs them.

`python -m pgflow_supabase add FOLDER` puts the package @pgflow/edge among the functions.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from pgflow_supabase.serving import DenoMissing, Limits, Serving
from pgflow_supabase.vendoring import add_package

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Do what was asked; ends with code 2 if that cannot be done."""
    asked = _parser().parse_args(arguments)
    try:
        asked.verb(asked)
    except (DenoMissing, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None


def _serve(asked: argparse.Namespace) -> None:
    """Become the server."""
    limits = Limits(asked.wall_clock, asked.idle, asked.memory_mb)
    serving = Serving(asked.folder, asked.host, asked.port, asked.key, asked.env_file, limits)
    command, environment = serving.command(), serving.environment()
    os.execve(command[0], command, environment)  # noqa: S606  signals reach the server itself


def _add(asked: argparse.Namespace) -> None:
    print(f"wrote {add_package(asked.folder)}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pgflow_supabase")
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    add = verbs.add_parser("add", help="put the package @pgflow/edge among the functions, or renew it there")
    add.add_argument("folder", type=Path, help="the folder that holds a folder for each function")
    add.set_defaults(verb=_add)
    serve = verbs.add_parser("serve", help="serve a folder of edge functions under Deno")
    usual = Limits()
    serve.add_argument("folder", type=Path, help="the folder that holds a folder for each function")
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    serve.add_argument("--port", type=int, default=54321, help="port, 0 for any (default: %(default)s)")
    serve.add_argument("--key", help="what the header apikey must be (default: anything)")
    serve.add_argument("--env-file", type=Path, help="variables of the functions (default: FOLDER/.env)")
    serve.add_argument(
        "--wall-clock", type=float, default=usual.wall_clock, help="seconds that a process may live"
    )
    serve.add_argument(
        "--idle", type=float, default=usual.idle, help="seconds that a request may go unanswered"
    )
    serve.add_argument("--memory-mb", type=int, default=usual.memory_mb, help="MiB of heap of a process")
    serve.set_defaults(verb=_serve)
    return parser


if __name__ == "__main__":
    main()
