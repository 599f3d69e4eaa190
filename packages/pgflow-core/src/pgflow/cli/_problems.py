"""Expected errors as a person reads them: what went wrong, how to mend it, and the exit code."""

from __future__ import annotations

import errno
import json
from collections.abc import Mapping
from typing import IO, Any, Final

import click

from pgflow import errors

__all__ = ["FAILED", "WRONG_USE", "Failure", "Problem", "problem_of"]

FAILED: Final = 1
WRONG_USE: Final = 2


class Problem(click.ClickException):
    """Wrong use, shown in a few lines; `traceback` is that of the user's code, where that is to blame."""

    exit_code = WRONG_USE

    def __init__(
        self,
        what: str,
        *,
        mend: str = "",
        kind: str = "Problem",
        traceback: str = "",
        details: Mapping[str, Any] | None = None,
        as_json: bool = False,
    ) -> None:
        super().__init__(what)
        self.mend = mend
        self.kind = kind
        self.traceback = traceback
        self.details = dict(details or {})
        self.as_json = as_json

    def show(self, file: IO[Any] | None = None) -> None:
        """Write the error to stderr, as text or as one JSON object."""
        if self.as_json:
            error = {"type": self.kind, "message": self.message, "mend": self.mend or None, **self.details}
            if self.traceback:
                error["traceback"] = self.traceback
            click.echo(json.dumps({"error": error}), file=file, err=True)
            return
        first, *rest = self.message.splitlines() or [""]
        click.echo(f"{click.style('error:', fg='red', bold=True)} {first}", file=file, err=True)
        for line in (*rest, *self.traceback.splitlines()):
            click.echo(f"       {line}", file=file, err=True)
        if self.mend:
            click.echo(f"{click.style(' mend:', fg='green', bold=True)} {self.mend}", file=file, err=True)


class Failure(Problem):
    """What was asked for is in order, but it failed."""

    exit_code = FAILED


#: What to do about each error, where its own message does not say it, and whether it is wrong use or a
#: failure; the first class that matches counts.
_MENDS: Final[Mapping[type[BaseException], tuple[str, type[Problem]]]] = {
    errors.DatabaseUnreachable: ("without any DSN an embedded PostgreSQL starts by itself", Failure),
    errors.DatabaseError: ("", Failure),
    errors.ForeignSchema: ("nothing was changed: name another database", Failure),
    errors.FlowNotFound: ("define it with `pgflow deploy MODULE:flow`", Problem),
    errors.RunNotFound: ("`pgflow runs` lists the runs of this database", Problem),
    errors.InputError: ("correct that value and try again; nothing was changed", Problem),
    errors.TooLarge: ("pass a reference (a path, a key) instead of the data itself", Problem),
    errors.NotYours: ("", Failure),
    errors.NotPossible: ("`pgflow status RUN_ID` shows the present state", Failure),
    errors.DefinitionError: ("correct the flow and try again; the database is unchanged", Problem),
    errors.ConfigError: ("", Problem),
    errors.PluginError: ("`pgflow plugins` tells which are broken, and why", Failure),
}


def problem_of(error: errors.PgflowError | OSError) -> Problem:
    """Put an expected error into words."""
    if isinstance(error, OSError):
        return _problem_of_os(error)
    mend, cls = next((_MENDS[cls] for cls in type(error).__mro__ if cls in _MENDS), ("", Failure))
    details = {"field": error.field} if isinstance(error, errors.InputError) and error.field else {}
    return cls(str(error), mend=mend, kind=type(error).__name__, details=details)


def _problem_of_os(error: OSError) -> Problem:
    if error.errno == errno.EADDRINUSE:
        mend = "stop what uses that port, or choose another one"
    elif error.filename is not None:
        mend = "check that path and its permissions"
    else:
        raise error
    where = f"{error.filename}: " if error.filename is not None else ""
    return Failure(where + (error.strerror or str(error)), mend=mend, kind=type(error).__name__)
