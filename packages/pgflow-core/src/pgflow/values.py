"""Values that are made for every task.  Standard library only."""

from __future__ import annotations

from typing import TYPE_CHECKING

__all__ = ["value"]

if TYPE_CHECKING:
    from dataclasses import dataclass as value
else:
    from dataclasses import dataclass

    def value(*, frozen: bool, slots: bool, eq: bool = True) -> type:
        """Make a dataclass that type checkers freeze: at run time that takes ten times as long."""
        return dataclass(slots=slots, eq=eq, unsafe_hash=frozen and eq)
