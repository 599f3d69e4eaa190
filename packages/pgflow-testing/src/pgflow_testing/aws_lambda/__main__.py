"""`python -m pgflow_testing.aws_lambda module.handler`: a Lambda function on this machine."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from pgflow_testing.aws_lambda.endpoint import LambdaEndpoint
from pgflow_testing.aws_lambda.function import Function

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until SIGTERM or SIGINT; ends with code 2 if that cannot be done."""
    asked = _parser().parse_args(arguments)
    try:
        _serve(asked)
    except (ModuleNotFoundError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None


def _serve(asked: argparse.Namespace) -> None:
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: ended.set())
    function = Function(
        asked.name or asked.handler.partition(".")[0],
        asked.handler,
        asked.folder.resolve(),
        dict(asked.env),
        timeout=asked.timeout,
        memory_mb=asked.memory_mb,
        concurrency=asked.concurrency,
        maximum_event_age=asked.maximum_event_age,
        isolated=asked.isolated,
    )
    with LambdaEndpoint([function], port=asked.port) as endpoint:
        print(f"serving function {function.name} at {endpoint.url}", flush=True)
        ended.wait()


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value


def _parser() -> argparse.ArgumentParser:
    usual = Function("", "", Path())
    parser = argparse.ArgumentParser(prog="python -m pgflow_testing.aws_lambda", description=__doc__)
    parser.add_argument("handler", help="module.function, as in the function's configuration")
    parser.add_argument("--folder", type=Path, default=Path(), help="where the module lies (default: here)")
    parser.add_argument("--name", help="the function's name (default: the module's)")
    parser.add_argument("--port", type=int, default=9001, help="port, 0 for any (default: %(default)s)")
    parser.add_argument(
        "--env", action="append", default=[], type=_pair, metavar="NAME=VALUE", help="a variable for it"
    )
    parser.add_argument(
        "--timeout", type=float, default=usual.timeout, help="seconds that an invocation may take"
    )
    parser.add_argument("--memory-mb", type=int, default=usual.memory_mb, help="MiB that a process may use")
    parser.add_argument(
        "--concurrency", type=int, default=usual.concurrency, help="how many invocations run at once"
    )
    parser.add_argument(
        "--maximum-event-age",
        type=float,
        default=usual.maximum_event_age,
        help="seconds after which an event is dropped that waits (default: %(default)g, as at AWS)",
    )
    parser.add_argument(
        "--isolated", action="store_true", help="let it import nothing but its folder, as at AWS"
    )
    return parser


if __name__ == "__main__":
    main()
