"""The distribution carries its SQL: what is installed from PyPI has no checkout beside it."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pgflow_sql
import pytest

MEMBER = Path(__file__).parent.parent
TELL = """
import json, pgflow_sql
print(json.dumps([pgflow_sql.__file__, pgflow_sql.install_script(), pgflow_sql.migration_script()]))
"""


@pytest.mark.parametrize("targets", [["wheel"], ["sdist", "wheel"]], ids=["checkout", "sdist"])
def test_a_wheel_holds_the_same_sql(tmp_path: Path, targets: list[str]) -> None:
    """Built from the checkout, and from the source distribution as installers without wheels do."""
    source = MEMBER
    for target in targets:
        command = [
            sys.executable,
            "-m",
            "hatchling",
            "build",
            "--target",
            target,
            "--directory",
            str(tmp_path),
        ]
        subprocess.run(command, cwd=source, check=True, capture_output=True)
        source = _unpacked(tmp_path) if target == "sdist" else source
    (wheel,) = tmp_path.glob("*.whl")
    installed = tmp_path / "installed"
    zipfile.ZipFile(wheel).extractall(installed)
    told = subprocess.run(
        [sys.executable, "-S", "-c", TELL], cwd=installed, check=True, capture_output=True, text=True
    )
    file, install_script, migration_script = json.loads(told.stdout)
    assert Path(file).is_relative_to(installed)
    assert install_script == pgflow_sql.install_script()
    assert migration_script == pgflow_sql.migration_script()


def _unpacked(folder: Path) -> Path:
    (archive,) = folder.glob("*.tar.gz")
    subprocess.run(["tar", "-xf", archive.name], cwd=folder, check=True)
    return folder / archive.name.removesuffix(".tar.gz")
