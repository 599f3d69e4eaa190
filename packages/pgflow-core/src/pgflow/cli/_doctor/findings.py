"""What a check finds, and how checks are run so that none keeps another from looking."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, ParamSpec

import psycopg

from pgflow.errors import PgflowError

__all__ = ["Finding", "Severity", "look"]

P = ParamSpec("P")

Severity = Literal["error", "warning", "note", "unknown"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, or worth knowing, and how to mend it."""

    check: str
    severity: Severity
    subject: str
    finding: str
    mend: str

    @property
    def is_wrong(self) -> bool:
        """Whether something is to be done about it."""
        return self.severity in {"error", "warning"}


def look(
    name: str, check: Callable[P, Iterator[Finding]], *args: P.args, **kwargs: P.kwargs
) -> list[Finding]:
    """Run a check; one that cannot look finds just that, and why."""
    found: list[Finding] = []
    try:
        found.extend(check(*args, **kwargs))
    except (PgflowError, psycopg.Error, OSError) as error:
        reason = str(error).strip() or type(error).__name__
        mend = "mend what is said, then run `pgflow doctor` again"
        found.append(Finding(name, "unknown", name, f"could not look: {reason}", mend))
    return found
