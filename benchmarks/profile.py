"""Where the time goes in the cases whose bar is near: `python -m benchmarks.profile`, about five minutes.

The server counts for itself, by plpgsql function (track_functions = all) and, where it has
pg_stat_statements, by statement (track = all); py-spy looks into the client, the dispatcher and its workers.
Counting costs the server a little, looking the clients more: the shares are what counts here, how fast it is
says `python -m benchmarks`.  Writes `results/profile.md` and `results/profile.json`.
"""

import argparse
import json
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

from benchmarks import contenders, environment, server, spent, stacks
from benchmarks.arena import Arena, Turn
from benchmarks.bars import PRODUCT, SQL
from benchmarks.participant import Contender
from benchmarks.profile_cases import Case, cases
from benchmarks.profile_report import Profile, found, summed

TRACKING = {"track_functions": "all"}
NO_STATEMENTS = (
    "not loaded, so statements are not listed: --postgres names the programs of a PostgreSQL with contrib"
)
HOW_TO_READ = """\
Own time of a function is time on the clock without that of functions it calls: waiting for a processor or a
lock is in it. A Python process counts as at work from the moment it is woken: `select`, `wait` and `_receive`
are where it then stands."""


class Profiler:
    """Looks into one case after the other on a server."""

    def __init__(self, arena: Arena, elsewhere: str, admin: spent.Connection, py_spy: Path | None) -> None:
        self._arena = arena
        self._elsewhere = elsewhere
        self._admin = admin
        self._py_spy = py_spy
        self._statements = spent.can_tell_statements(admin)

    def profile(self, case: Case, contender: Contender) -> Profile:
        """Play a case once and return where its time went."""
        with (
            self._arena.turn(contender) as turn,
            psycopg.connect(turn.dsn, autocommit=True) as connection,
        ):
            turn.warm(case.warm)
            for operation in case.before:
                turn.driver.ask(operation.name, **operation.arguments)
            spent.settle()
            spent.forget(connection, self._admin, statements=self._statements)
            database = connection.info.dbname
            with self._looking(case, turn) as files, spent.waits(self._elsewhere, database) as waits:
                costs = [turn.measure(each.name, **each.arguments) for each in case.counted]
            spent.settle()
            functions = spent.functions(connection)
            statements = spent.statements(self._admin, database) if self._statements else []
        looks = {
            name: stacks.folded(file.read_text() for file in found if file.exists())
            for name, found in files.items()
        }
        return summed(case, costs, functions, statements, waits, looks)

    @contextmanager
    def _looking(self, case: Case, turn: Turn) -> Generator[dict[str, list[Path]]]:
        if self._py_spy is None:
            yield {}
            return
        driver = turn.driver.pid
        product = {"dispatcher": [driver], "workers": stacks.descendants(driver)}
        processes = {"client": [driver]} if case.contender == SQL else product
        with stacks.watching(self._py_spy, processes, environment.WORK / "profiles" / case.name) as files:
            yield files


def arguments(given: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="benchmarks.profile", description=__doc__)
    known = [case.name for case in cases()]
    parser.add_argument("-c", "--case", action="append", choices=known, help="only this case; repeatable")
    parser.add_argument("--dsn", help="a superuser's DSN of a server to use instead of the embedded one")
    parser.add_argument(
        "--postgres", type=Path, help="programs for the embedded server, such as /usr/lib/postgresql/17/bin"
    )
    parser.add_argument("--no-stacks", action="store_true", help="do not look into processes by py-spy")
    parser.add_argument("--name", default="profile", help="name of the result files (default profile)")
    return parser.parse_args(given)


def write(profiles: Sequence[Profile], facts: dict[str, Any], name: str) -> Path:
    """Write NAME.md and NAME.json beside the other results and return the path of the first."""
    shown = "\n".join(f"- {key}: {value}" for key, value in facts.items())
    sections = "\n\n".join(profile.markdown() for profile in profiles)
    folder = environment.HERE / "results"
    values = {"facts": facts, "cases": [found(profile) for profile in profiles]}
    (folder / f"{name}.json").write_text(json.dumps(values, indent=1) + "\n")
    path = folder / f"{name}.md"
    path.write_text(f"# Where the time goes\n\n{HOW_TO_READ}\n\n{shown}\n\n{sections}\n")
    return path


def main(given: Sequence[str] | None = None) -> None:
    """Look into each case; print its tables, and write all that there are, as soon as they are known."""
    options = arguments(given)
    py_spy = None if options.no_stacks else environment.profiler()
    chosen = [case for case in cases() if not options.case or case.name in options.case]
    everyone = {SQL: contenders.sql_level(), PRODUCT: contenders.product()}
    profiles: list[Profile] = []
    facts: dict[str, Any] = {"taken_at": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC", **environment.machine()}
    with (
        server.running(options.dsn, options.postgres) as postgres,
        psycopg.connect(postgres.dsn("postgres"), autocommit=True) as admin,
    ):
        tracking = TRACKING | ({f"{spent.LIBRARY}.track": "all"} if spent.can_tell_statements(admin) else {})
        facts |= postgres.settings | tracking
        if len(tracking) == len(TRACKING):
            facts[spent.LIBRARY] = NO_STATEMENTS
        arena = Arena(postgres, environment.WORK / "logs", tracking)
        profiler = Profiler(arena, postgres.dsn("postgres"), admin, py_spy)
        for case in chosen:
            profile = profiler.profile(case, everyone[case.contender])
            print(profile.markdown(), flush=True)
            profiles.append(profile)
            written = write(profiles, facts, options.name)
        arena.close()
    print(written, file=sys.stderr)


if __name__ == "__main__":
    main()
