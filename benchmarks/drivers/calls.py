"""A count of the SQL calls that a driver's library sends, taken on the client side.

One call is one statement sent for execution (BEGIN and COMMIT included), however the library batches it.
"""

import functools
import itertools
from collections.abc import Callable
from typing import Any

_sent = itertools.count()  # its next() is atomic, a += of threads is not


def sent() -> int:
    """Return a number that grows by one with every call, and with every use of this function."""
    return next(_sent)


def between(before: int, after: int) -> int:
    """Return the calls between two readings of `sent`."""
    return after - before - 1


def _counting(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def counted(*args: Any, **kwargs: Any) -> Any:
        next(_sent)
        return function(*args, **kwargs)

    return counted


def watch(owner: type, *methods: str) -> None:
    """Count every call of these methods of a class."""
    for method in methods:
        setattr(owner, method, _counting(getattr(owner, method)))
