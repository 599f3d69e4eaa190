"""The types of flows for other languages, read from their Python types through JSON Schema."""

from pgflow.typegen.module import typescript_module

__all__ = ["typescript_module"]
