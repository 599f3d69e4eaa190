"""Every two verbs that meet on one run, in two sessions: as if one had come after the other.

The first session calls its verb in a transaction that stays open until the second has answered or waits for
it.  What both are told and what is stored must be what one of the two orders gives.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import psycopg
import pytest

from .support.engine import Engine
from .support.scenes import SCENES, Scene, Verb
from .support.sessions import as_client, backend_pid, meanwhile, until

Answer = Any
Outcome = tuple[Answer, Answer, list[str]]
PAIRS = [(scene, first) for scene, (_, verbs) in SCENES.items() for first in verbs]


class Stage:
    """Plays scenes again and again, each time as a run of a new flow, and later."""

    def __init__(self, director: Engine, first: Engine, second: Engine) -> None:
        self.director, self.first, self.second = director, first, second
        self.numbers = count(1)

    def scene(self, name: str) -> Scene:
        """Set the scene; the sessions come in when the short lease in it has run out."""
        number = next(self.numbers)
        self.director.at(number * 10_000)
        made = SCENES[name][0](self.director, f"f{number}")
        for session in (self.director, self.first, self.second):
            session.at(number * 10_000 + 100)
        return made

    def strike(self, scene: Scene) -> list[str]:
        """Return what is stored, which is sound, and clear it away."""
        assert self.director.violations(scene.run_id) == []
        state = scene.state(self.director)
        if any(row.startswith("flow") for row in state):
            self.director.rows("select pgflow.delete_flow(%s, true)", scene.slug)
        return state

    def alone(self, name: str, verb: Verb) -> tuple[Answer, list[str]]:
        """Play one verb."""
        scene = self.scene(name)
        return said(verb.call, self.second, scene), self.strike(scene)

    def in_turn(self, name: str, first: Verb, second: Verb) -> Outcome:
        """Play two verbs one after the other."""
        scene = self.scene(name)
        return said(first.call, self.first, scene), said(second.call, self.second, scene), self.strike(scene)

    def at_once(self, name: str, first: Verb, second: Verb, end: str) -> Iterator[Outcome]:
        """Play the second while the first is open; then once more as it comes back to what it passed over."""
        scene = self.scene(name)
        self.first.rows("begin")
        answer = said(first.call, self.first, scene)
        with meanwhile(lambda: said(second.call, self.second, scene)) as call:
            until(lambda: call.done() or self.waits())
            self.first.rows(end)
        later = call.result()
        yield answer, later, scene.state(self.director)
        if second.again is not None:
            more = said(second.again, self.second, scene)
            together = sorted(later + more) if isinstance(later, list) else more
            yield answer, together, scene.state(self.director)
        self.strike(scene)

    def waits(self) -> bool:
        """Whether the second session waits for the first."""
        query = "select %s = any (pg_blocking_pids(%s))"
        return self.director.value(query, backend_pid(self.first), backend_pid(self.second))


@pytest.fixture
def stage(engine: Engine, open_engine: Callable[[], Engine]) -> Stage:
    return Stage(engine, open_engine(), open_engine())


def said(call: Callable[[Engine, Scene], Answer], session: Engine, scene: Scene) -> Answer:
    """Return what a verb answers, or its SQLSTATE; a lock time-out is tried again, nothing else is."""
    try:
        return as_client(lambda: call(session, scene), retried=("55P03",))
    except psycopg.Error as error:
        return error.sqlstate


def partners(verbs: dict[str, Verb], name: str) -> list[str]:
    """Return the next half of the verbs, itself first: every two meet once."""
    names = list(verbs)
    place = names.index(name)
    return (names[place:] + names[:place])[: len(names) // 2 + 1]


@pytest.mark.parametrize(("scene", "name"), PAIRS, ids=str)
def test_two_verbs_at_once_are_as_two_in_turn(stage: Stage, scene: str, name: str) -> None:
    """Rules 71, 85: whoever is first."""
    verbs = SCENES[scene][1]
    for other in partners(verbs, name):
        forth = stage.in_turn(scene, verbs[name], verbs[other])
        back = stage.in_turn(scene, verbs[other], verbs[name])
        for first, second, order, reverse in ((name, other, forth, back), (other, name, back, forth)):
            seen = list(stage.at_once(scene, verbs[first], verbs[second], "commit"))
            answers, state = reverse[:2], reverse[2]
            serial = [order, (*reversed(answers), state)]
            assert seen[0] in serial or seen[-1] == order, (first, second, seen, serial)


@pytest.mark.slow
@pytest.mark.parametrize(("scene", "name"), PAIRS, ids=str)
def test_a_verb_beside_one_that_rolls_back_is_as_alone(stage: Stage, scene: str, name: str) -> None:
    """Rule 71: what was not committed was never there."""
    verbs = SCENES[scene][1]
    alone = stage.alone(scene, verbs[name])
    for first in verbs:
        seen = list(stage.at_once(scene, verbs[first], verbs[name], "rollback"))
        assert any(outcome[1:] == alone for outcome in seen), (first, name, seen, alone)
