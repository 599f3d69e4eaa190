"""`pgflow doctor`: what is wrong, and how to mend it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import click
from rich.markup import escape

from pgflow.cli._command import pgflow_command
from pgflow.cli._doctor.examination import Examination
from pgflow.cli._doctor.findings import Severity
from pgflow.cli._output import Output
from pgflow.cli._problems import FAILED
from pgflow.cli._session import Session

_STYLES: Mapping[Severity, str] = {
    "error": "bold red",
    "warning": "yellow",
    "unknown": "magenta",
    "note": "cyan",
}


@pgflow_command("doctor", example="pgflow doctor\npgflow doctor --deep --json")
@click.option("--deep", is_flag=True, help="Also check every invariant of the engine; reads whole tables.")
def command(session: Session, deep: bool) -> None:
    """Look for what is wrong with the project, the database and the work in it.

    Each finding says how to mend it.  Changes nothing.  Exits with 1 when there is an error or a warning;
    notes, and checks that could not look, do not count.
    """
    examination = Examination(session, deep=deep)
    examination.run()
    is_wrong = any(finding.is_wrong for finding in examination.findings)
    if session.as_json:
        found = {"ok": not is_wrong, "checks": examination.checks, "findings": examination.findings}
        session.output.document(found)
    else:
        _print(session.output, examination)
    if is_wrong:
        raise SystemExit(FAILED)


def _print(output: Output, examination: Examination) -> None:
    for severity, style in _STYLES.items():
        for finding in examination.findings:
            if finding.severity == severity:
                title = f"[dim]{escape(finding.check)}[/]  [bold]{escape(finding.subject)}[/]"
                output.line(f"[{style}]{severity:>7}[/]  {title}")
                output.line(f"         {escape(finding.finding)}")
                output.line(f"  [green]mend:[/]  {escape(finding.mend)}")
                output.line()
    counts = Counter(finding.severity for finding in examination.findings)
    found = ", ".join(_counted(counts[severity], severity) for severity in _STYLES if counts[severity])
    output.line(f"{len(examination.checks)} checks: {found or '[green]nothing is wrong[/]'}")


def _counted(count: int, severity: str) -> str:
    return f"{count} {severity}" + ("s" if count != 1 and severity != "unknown" else "")
