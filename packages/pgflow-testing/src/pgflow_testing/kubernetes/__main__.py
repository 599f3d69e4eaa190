"""`python -m pgflow_testing.kubernetes`: a Kubernetes cluster on this machine, for kubectl."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from pgflow_testing.kubernetes.endpoint import KubernetesEndpoint

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until SIGTERM or SIGINT; ends with code 2 if that cannot be done."""
    asked = _parser().parse_args(arguments)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: ended.set())
    try:
        with KubernetesEndpoint(port=asked.port) as endpoint:
            path = endpoint.kubeconfig(asked.kubeconfig)
            print(f"serving a cluster at {endpoint.url}: export KUBECONFIG={path}", flush=True)
            ended.wait()
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pgflow_testing.kubernetes", description=__doc__)
    parser.add_argument(
        "--kubeconfig", type=Path, default=Path("kubeconfig"), help="file to write (default: %(default)s)"
    )
    parser.add_argument("--port", type=int, default=8001, help="port, 0 for any (default: %(default)s)")
    return parser


if __name__ == "__main__":
    main()
