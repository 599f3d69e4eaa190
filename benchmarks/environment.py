"""The peers' own environment: a virtual environment beside the results, never ours."""

import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
WORK = HERE / ".work"
REQUIREMENTS = HERE / "peers.txt"


def peers_python() -> Path:
    """Return the peers' interpreter; installs them first if their list has changed since the last time."""
    folder = WORK / "peers"
    python = folder / "bin" / "python"
    stamp = folder / "requirements.txt"
    if not stamp.exists() or stamp.read_text() != REQUIREMENTS.read_text():
        print("bench: installing the peers", file=sys.stderr)
        uv = shutil.which("uv")
        create = [uv, "venv", "-q", "--clear"] if uv else [sys.executable, "-m", "venv", "--clear"]
        subprocess.run([*create, str(folder)], check=True)
        install = (
            [uv, "pip", "install", "-q", "--python", str(python)]
            if uv
            else [str(python), "-m", "pip", "install", "-q"]
        )
        subprocess.run([*install, "-r", str(REQUIREMENTS)], check=True)
        stamp.write_text(REQUIREMENTS.read_text())
    return python


VERSIONS = """
import importlib.metadata, json
print(json.dumps({d.metadata["Name"].lower(): d.version for d in importlib.metadata.distributions()}))
"""


def versions(python: Path, names: tuple[str, ...]) -> dict[str, str]:
    """Return the installed versions of these distributions."""
    shown = subprocess.run([str(python), "-c", VERSIONS], check=True, capture_output=True, text=True).stdout
    installed: dict[str, str] = json.loads(shown)
    return {name: installed[name] for name in names if name in installed}


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
