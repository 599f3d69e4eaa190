"""The command line `pgflow`: one module per command, imported only when that command runs.

It may import everything of PGFlow; nothing imports it.
"""

from pgflow.cli.app import main

__all__ = ["main"]
