"""Gives every member of the workspace the same hatch scripts, which run in the one environment of the root.

A member's hatch.toml names this file as its collector of environments; hatch imports it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from hatch.env.collectors.plugin.interface import EnvironmentCollectorInterface

ROOT = Path(__file__).resolve().parent
SCRIPTS = {
    "test": ["pytest {member}/tests {{args}}"],
    "lint": ["ruff check {member}", "ruff format --check {member}"],
    "types": ["mypy {member}/src", "pyright {member}/src"],
    "format": ["ruff check --fix {member}", "ruff format {member}"],
}


class MemberScripts(EnvironmentCollectorInterface):
    """Makes a member's default environment: the scripts, and no packages."""

    def finalize_config(self, config: dict[str, dict[str, Any]]) -> None:
        """Set up the environment; `hatch` is the one that is running, which need not be on the PATH."""
        member = Path(self.root).resolve().relative_to(ROOT).as_posix()
        at_root = f'cd "{ROOT}" && "{sys.executable}" -m hatch run '
        config["default"].update(
            {
                "skip-install": True,
                "scripts": {
                    name: [at_root + command.format(member=member) for command in commands]
                    for name, commands in SCRIPTS.items()
                },
            }
        )
