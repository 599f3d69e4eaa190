"""What was found for each case, as tables and as JSON."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from benchmarks import report, spent, stacks
from benchmarks.measure import Cost
from benchmarks.profile_cases import Case

SHOWN = 14
LEAST = 0.005
WIDTH = 90


@dataclass(frozen=True)
class Profile:
    """What was found for a case; `statements` and `looks` are empty where nothing could be asked."""

    case: Case
    seconds: float
    server_us: float
    client_us: float
    wal_bytes: float
    functions: list[spent.Function]
    statements: list[spent.Statement]
    waits: dict[str, float]
    looks: dict[str, stacks.Looks]
    milliseconds: dict[str, float]

    def markdown(self) -> str:
        """Return the section of the report."""
        case, unit = self.case, self.case.unit
        facts = [
            f"{case.units:,} {unit}s" + (f" in {report.number(self.seconds)} s" if self.seconds else ""),
            f"processor a {unit}: server {report.number(self.server_us)} us, "
            f"clients {report.number(self.client_us)} us",
            f"WAL a {unit}: {report.number(self.wal_bytes)} bytes",
            f"sessions at work: {shares(self.waits)}",
            *(f"{name} p50: {report.number(value)} ms" for name, value in self.milliseconds.items()),
        ]
        parts = [f"## {case.title} (`{case.name}`)", "\n".join(f"- {fact}" for fact in facts)]
        parts.append(function_table(self.functions, case))
        if self.statements:
            parts.append(statement_table(self.statements, case))
        parts += [look_table(name, looks) for name, looks in self.looks.items()]
        return "\n\n".join(parts)


def shares(waits: Mapping[str, float]) -> str:
    """Return what sessions with something to do were seen at, if it was more than seldom."""
    return ", ".join(f"{name} {share:.0%}" for name, share in waits.items() if share >= 2 * LEAST)


def function_table(functions: Sequence[spent.Function], case: Case) -> str:
    """Return the functions that take most of a unit's time on the server, and what the others take."""
    all_own = sum(one.own_ms for one in functions)
    shown = [one for one in functions if one.own_ms >= LEAST * all_own][:SHOWN]
    rest = all_own - sum(one.own_ms for one in shown)
    rows = [
        [
            f"`{one.name}`",
            report.number(one.calls / case.units),
            report.number(one.own_ms * 1e3 / case.units),
            f"{one.own_ms / all_own:.1%}",
            report.number(one.total_ms * 1e3 / one.calls),
        ]
        for one in shown
    ]
    rows.append(["others", "", report.number(rest * 1e3 / case.units), f"{rest / (all_own or 1):.1%}", ""])
    unit = case.unit
    head = ["function", f"calls a {unit}", f"own us a {unit}", "share", "us a call, with what it calls"]
    return report.table(head, rows)


def statement_table(statements: Sequence[spent.Statement], case: Case) -> str:
    """Return the statements that take most of a unit's time; each contains those that it calls."""
    rows = [
        [
            f"`{shortened(one.text)}`{', sent by the client' if one.outer else ''}",
            report.number(one.calls / case.units),
            report.number(one.ms * 1e3 / case.units),
            report.number(one.wal_bytes / case.units),
            report.number(one.buffers / case.units),
        ]
        for one in statements[:SHOWN]
    ]
    unit = case.unit
    head = ["statement", *(f"{what} a {unit}" for what in ("calls", "us", "WAL bytes", "buffers"))]
    return report.table(head, rows)


def shortened(statement: str) -> str:
    """Return the beginning of a statement that fits into a cell of a table."""
    plain = statement.replace("|", "¦").replace("`", "'")
    return plain if len(plain) <= WIDTH else f"{plain[: WIDTH - 3]}..."


def look_table(name: str, looks: stacks.Looks) -> str:
    """Return the Python functions that a process was seen in most often."""
    frames = [frame for frame in looks.frames if frame.own >= LEAST][:SHOWN]
    rows = [[f"`{frame.function}`", f"{frame.own:.1%}", f"{frame.within:.1%}"] for frame in frames]
    head = [f"{name}, {looks.count:,} looks", "own share", "with what it calls"]
    return report.table(head, rows)


def summed(
    case: Case,
    costs: Sequence[Cost],
    functions: list[spent.Function],
    statements: list[spent.Statement],
    waits: Counter[str],
    looks: dict[str, stacks.Looks],
) -> Profile:
    """Return the costs of a case's operations together, a unit."""
    per_unit = 1e6 / case.units
    return Profile(
        case,
        seconds=sum(cost.seconds for cost in costs),
        server_us=sum(cost.server_cpu for cost in costs) * per_unit,
        client_us=sum(cost.client_cpu for cost in costs) * per_unit,
        wal_bytes=sum(cost.wal_bytes for cost in costs) / case.units,
        functions=functions,
        statements=statements,
        waits={name: count / waits.total() for name, count in waits.most_common()},
        looks=looks,
        milliseconds={
            name.removesuffix("_ms"): median(values)
            for cost in costs
            for name, values in cost.answer.items()
            if name.endswith("_ms")
        },
    )


def found(profile: Profile) -> dict[str, Any]:
    """Return a profile for JSON, with every function and statement."""
    values = asdict(profile)
    return {"name": profile.case.name, "units": profile.case.units, "unit": profile.case.unit} | {
        name: values[name] for name in values if name != "case"
    }
