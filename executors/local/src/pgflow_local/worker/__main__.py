"""`python -m pgflow_local.worker`: started by the local executor, of no use by itself."""

from __future__ import annotations

import sys

from pgflow_local.worker import tripwire
from pgflow_local.worker.config import Config


def main() -> None:
    """Arm the tripwire before anything that takes time, then serve."""
    config = Config.parse(sys.argv.pop())
    tripwire.arm(config.tripwire)
    sys.path[:0] = config.pythonpath
    from pgflow_local.worker.serve import serve

    serve(config)


if __name__ == "__main__":
    main()
