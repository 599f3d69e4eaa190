"""Where verbs meet: three sessions that play one scene after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import psycopg

from .engine import Engine
from .scenes import SCENES, Scene, Verb
from .sessions import as_client, backend_pid, meanwhile, until

Answer = Any
Outcome = tuple[Answer, Answer, list[str]]


class Stage:
    """Plays scenes again and again, each time as a run of a new flow, and later."""

    def __init__(self, open_engine: Callable[[], Engine]) -> None:
        self.open_engine = open_engine
        self.number = 0
        self.enter()

    def enter(self) -> None:
        """Open the sessions, at first or after they were lost."""
        self.director, self.first, self.second = (self.open_engine() for _ in range(3))
        self.come_in()

    def come_in(self) -> None:
        """Set every clock to when the short lease of the scene has run out."""
        for session in (self.director, self.first, self.second):
            session.at(self.number * 10_000 + 100)

    def scene(self, name: str) -> Scene:
        """Set the scene."""
        self.number += 1
        self.director.at(self.number * 10_000)
        made = SCENES[name][0](self.director, f"f{self.number}")
        self.come_in()
        return made

    def strike(self, scene: Scene) -> list[str]:
        """Return what is stored, which is sound, and clear it away."""
        state = scene.state(self.director)
        self.director.rows("select pgflow.resume_executor('local')")
        if scene.stuck is not None and state:
            self.director.rows("select pgflow.start_step(%s, %s)", scene.run_id, scene.stuck)
        assert self.director.violations(scene.run_id) == []
        if any(row.startswith("flow") for row in state):
            self.director.rows("select pgflow.delete_flow(%s, true)", scene.slug)
        return state

    def clear(self) -> None:
        """Clear away what a scene that failed has left."""
        self.enter()
        self.director.rows("select pgflow.delete_flow(flow_slug, true) from pgflow.flows")

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


def said(call: Callable[[Engine, Scene], Answer], session: Engine, scene: Scene) -> Answer:
    """Return what a verb answers, or its SQLSTATE; a lock time-out is tried again, nothing else is."""
    try:
        return as_client(lambda: call(session, scene), retried=("55P03",))
    except psycopg.Error as error:
        return error.sqlstate
