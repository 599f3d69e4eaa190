"""Check the files that operators copy out of the documentation, with the tools they are read by.

promtool is the installed one, else that of Debian's package `prometheus`, unpacked into a cache folder
without being installed.  Where it cannot be had, its tests are skipped and the reason is printed.
"""

import os
import shutil
import subprocess
import sys

from debian import CACHE, unpack

_TESTS = ["integration-tests/test_operations.py", "integration-tests/test_image.py"]


def main() -> int:
    """Run the tests; the exit code is pytest's."""
    environment = dict(os.environ)
    try:
        environment["PGFLOW_PROMTOOL"] = shutil.which("promtool") or fetch()
    except (OSError, subprocess.CalledProcessError) as error:
        sys.stdout.write(f"promtool is not installed, and its package cannot be had: {error}\n")
    pytest = [sys.executable, "-m", "pytest", "-m", "slow or not slow", *_TESTS, *sys.argv[1:]]
    return subprocess.run(pytest, env=environment, check=False).returncode


def fetch() -> str:
    """Unpack Debian's package, and return the program."""
    program = CACHE / "prometheus" / "usr" / "bin" / "promtool"
    if not program.exists():
        unpack(CACHE / "prometheus", "prometheus")
    return str(program)


if __name__ == "__main__":
    sys.exit(main())
