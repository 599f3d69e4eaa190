"""Runs the demo from nothing: embedded PostgreSQL, deployment, workers, one run, and the report's path."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
import webbrowser
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[2]
_OTHER_DATABASES = ("PGFLOW_DSN", "DATABASE_URL")


def main() -> int:
    """Run the demo; the exit code is that of `pgflow run`."""
    arguments = _arguments()
    folder = {"path": str(arguments.folder.resolve()), "output": str(arguments.output.resolve())}
    command = [
        *(sys.executable, "-m", "pgflow.cli", "run", "examples.atlas:atlas"),
        *("--input", json.dumps(folder), "--wait", "--dispatch", "--json", "--progress"),
    ]
    # Never the reader's own database: the demo brings one along, in .pgflow/ of this project.
    environment = {name: value for name, value in os.environ.items() if name not in _OTHER_DATABASES}
    started = time.monotonic()
    code, printed = _run(command, environment)
    if code:
        return code
    _print(json.loads(printed), time.monotonic() - started)
    if arguments.open:
        webbrowser.open((arguments.output.resolve() / "report.html").as_uri())
    return 0


def _run(command: list[str], environment: dict[str, str]) -> tuple[int, str]:
    with subprocess.Popen(
        command, cwd=PROJECT, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            printed, _ = process.communicate()
        except KeyboardInterrupt:  # the terminal told the command too: let it tidy up
            printed, _ = process.communicate()
        return process.returncode, printed


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="demo", description="Draw an atlas of a folder of sources.")
    parser.add_argument(
        "folder", nargs="?", type=Path, default=PROJECT, help="the folder (default: PGFlow itself)"
    )
    parser.add_argument(
        "--output", type=Path, default=PROJECT / ".pgflow" / "atlas", help="where the report goes"
    )
    parser.add_argument("--open", action="store_true", help="show the report in the browser")
    return parser.parse_args()


def _print(run: dict[str, Any], seconds: float) -> None:
    report = run["result"]
    print(f"\n{report['files']:,} files, {report['lines']:,} lines, {report['words']:,} words,", end=" ")
    print(f"{report['languages']} languages, {report['functions']:,} functions", end=" ")
    print(f"in {seconds:.1f} s (run {run['run_id']})")
    if report["broken_links"]:
        print(f"{report['broken_links']} of {report['links']} links are broken: see Problems in the report")
    else:
        print(f"all {report['links']:,} links are good")
    print(f"report: {report['page']}")


if __name__ == "__main__":
    sys.exit(main())
