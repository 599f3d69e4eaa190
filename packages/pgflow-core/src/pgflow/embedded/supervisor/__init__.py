"""The small process that runs an embedded PostgreSQL and outlives none of its users.

Started by its parent as a script without site-packages, so it imports the standard library only, and its own
modules relatively: the package is `pgflow.embedded.supervisor` to pgflow and plain `supervisor` to the child.
"""
