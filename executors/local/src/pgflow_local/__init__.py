"""Runs PGFlow steps in a warm pool of local worker processes.

Light on purpose: worker processes import it before anything else.
"""

from pgflow_local.target import Local

__all__ = ["Local"]
