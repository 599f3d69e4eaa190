"""The type variables of the overloads: one a handler input, and the result."""

from __future__ import annotations

from typing import TypeVar

__all__ = ["A", "B", "C", "D", "E", "F", "G", "H", "In", "Item", "Out", "R"]

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")
E = TypeVar("E")
F = TypeVar("F")
G = TypeVar("G")
H = TypeVar("H")
Item = TypeVar("Item")
R = TypeVar("R")
In = TypeVar("In")
Out = TypeVar("Out")
