"""The reporter that a target asks for; what it needs is imported only then."""

from __future__ import annotations

from pgflow.envelope import ReportTarget
from pgflow.errors import ConfigError
from pgflow.reporters.contract import Reporter

__all__ = ["reporter_for"]


def reporter_for(target: ReportTarget, dsn: str | None = None) -> Reporter:
    """Return a reporter to the target; `dsn` is that of the task's own environment, for kind postgres."""
    if target.kind == "postgres":
        if not dsn:
            raise ConfigError(
                "the task reports to the database itself, but PGFLOW_DSN is not set where it runs: "
                "set it, or have the executor report over HTTP"
            )
        from pgflow.reporters.postgres import PostgresReporter

        return PostgresReporter(dsn)
    assert target.url is not None
    if target.kind == "postgrest":
        from pgflow.reporters.postgrest import PostgrestReporter

        return PostgrestReporter(target.url, target.apikey)
    from pgflow.reporters.http import HttpReporter

    return HttpReporter(target.url)
