"""Who takes part, once their environments are there. Peers that are not to be had do not stop the others."""

import subprocess
from collections.abc import Callable, Collection
from pathlib import Path

from benchmarks import contenders, environment
from benchmarks.participant import Contender

NOWHERE = Path()  # while only names are asked for


def lineup(chosen: Collection[str], variants: Collection[str]) -> tuple[list[Contender], list[str]]:
    """Return those who are chosen, everybody if nobody is, and what could not be installed.

    `variants` are other versions of our SQL, NAME=FOLDER. Raises SystemExit for a name that nobody has.
    """
    own = _own(variants)
    groups: dict[str, tuple[list[Contender], Callable[[], list[Contender]]]] = {
        "PyPI": (contenders.peers(NOWHERE), _from_pypi),
        "npm": (contenders.node_peers(NOWHERE, NOWHERE), _from_npm),
    }
    names = [one.name for one in own] + [one.name for peers, _ in groups.values() for one in peers]
    if missing := set(chosen) - set(names):
        raise SystemExit(f"bench: no contender {', '.join(sorted(missing))}; known: {', '.join(names)}")
    wanted, there, failures = set(chosen or names), own, list[str]()
    for registry, (peers, install) in groups.items():
        if wanted.isdisjoint(one.name for one in peers):
            continue
        try:
            there = there + install()
        except (OSError, subprocess.CalledProcessError) as error:
            failures.append(f"the peers from {registry} could not be installed: {error}")
    return [one for one in there if one.name in wanted], failures


def _own(variants: Collection[str]) -> list[Contender]:
    parts = [part.partition("=") for part in variants]
    named = [contenders.sql_level(name, Path(folder)) for name, _, folder in parts]
    return [contenders.sql_level(), *named, contenders.product()]


def _from_pypi() -> list[Contender]:
    return contenders.peers(environment.peers_python())


def _from_npm() -> list[Contender]:
    return contenders.node_peers(*environment.peers_node(environment.peers_python()))
