"""Where functions run: the runtimes of Lambda, and the wheels that fit them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

__all__ = ["PYTHONS", "Architecture", "Platform"]

Architecture = Literal["x86_64", "arm64"]

PYTHONS: Final = ("3.11", "3.12", "3.13", "3.14")
_GLIBC: Final = {"3.11": 26}
"""The minor version of glibc 2 on Amazon Linux 2; all others have Amazon Linux 2023."""
_GLIBC_2023: Final = 34
_OLDEST: Final = 17
_MACHINES: Final = {"x86_64": "x86_64", "arm64": "aarch64"}


@dataclass(frozen=True, slots=True)
class Platform:
    """A runtime and a processor."""

    python: str = f"{sys.version_info.major}.{sys.version_info.minor}"
    architecture: Architecture = "x86_64"

    @property
    def runtime(self) -> str:
        """The name that Lambda gives it."""
        return f"python{self.python}"

    def tags(self) -> Sequence[str]:
        """Return the platform tags of wheels that run there, the newest first."""
        machine = _MACHINES[self.architecture]
        newest = _GLIBC.get(self.python, _GLIBC_2023)
        tags = [f"manylinux_2_{minor}_{machine}" for minor in range(newest, _OLDEST - 1, -1)]
        return [*tags, f"manylinux2014_{machine}"]
