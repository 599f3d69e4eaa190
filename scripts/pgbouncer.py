"""Run tests of the engine, the clients and the dispatcher through PgBouncer with transaction pooling.

PgBouncer is the installed one, else Debian's package, unpacked into a cache folder without being installed.
Where neither can be had, nothing is run and the reason is printed.
"""

import os
import stat
import subprocess
import sys

from debian import CACHE, unpack
from pgflow_testing.pooler import PROGRAM_VARIABLE, find_pgbouncer

_PACKAGES = ("pgbouncer", "libevent-2.1-7", "libc-ares2")
_CACHE = CACHE / "pgbouncer"

#: What keeps nothing in its session on purpose: no temporary objects, no `set`, no LISTEN, no backend's id.
_ENGINE = (
    *("batches", "completing", "conditions", "definition_versions", "exchange", "exhausted", "failing"),
    *("inputs", "launching", "leases", "maps", "pausing", "report_answers", "retry_run"),
)
_TESTS = [f"sql-core/tests/test_{name}.py" for name in _ENGINE]
_THROUGH = [*(f"integration-tests/{name}" for name in ("service", "cli", "supabase")), "-k", "pooler"]


def main() -> int:
    """Run the tests; the exit code is pytest's."""
    try:
        program = find_pgbouncer() or fetch()
    except (OSError, subprocess.CalledProcessError) as error:
        sys.stdout.write(f"Skipped: PgBouncer is not installed, and its package cannot be had: {error}\n")
        return 0
    environment = {**os.environ, PROGRAM_VARIABLE: program, "PGFLOW_TEST_PGBOUNCER": "1"}
    pytest = [sys.executable, "-m", "pytest", "-q", *sys.argv[1:]]
    codes = [
        subprocess.run([*pytest, *tests], env=environment, check=False).returncode
        for tests in (_TESTS, _THROUGH)
    ]
    return max(codes)


def fetch() -> str:
    """Unpack Debian's packages, and return the program: a script that finds its libraries."""
    script = _CACHE / "run-pgbouncer"
    if not script.exists():
        unpack(_CACHE, *_PACKAGES)
        program = _CACHE / "usr" / "sbin" / "pgbouncer"
        (libraries,) = {str(path.parent) for path in _CACHE.glob("usr/lib/*/libevent-2.1.so.7")}
        subprocess.run([str(program), "--version"], env={"LD_LIBRARY_PATH": libraries}, check=True)
        script.write_text(f'#!/bin/sh\nLD_LIBRARY_PATH="{libraries}" exec "{program}" "$@"\n')
        script.chmod(script.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    return str(script)


if __name__ == "__main__":
    sys.exit(main())
