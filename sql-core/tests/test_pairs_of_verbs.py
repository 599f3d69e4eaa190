"""Every two verbs that meet on one run, in two sessions: as if one had come after the other.

The first session calls its verb in a transaction that stays open until the second has answered or waits for
it.  What both are told and what is stored must be what one of the two orders gives.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .support.engine import Engine
from .support.scenes import SCENES, Verb
from .support.stage import Stage

PAIRS = [(scene, first) for scene, (_, verbs) in SCENES.items() for first in verbs]
# The richest scenes have most of the verbs: minutes of sessions that wait for each other.
MARKED = [
    pytest.param(*pair, marks=pytest.mark.slow if pair[0] in {"running", "ended"} else ()) for pair in PAIRS
]


@pytest.fixture
def stage(open_engine: Callable[[], Engine]) -> Stage:
    return Stage(open_engine)


def partners(verbs: dict[str, Verb], name: str) -> list[str]:
    """Return the next half of the verbs, itself first: every two meet once."""
    names = list(verbs)
    place = names.index(name)
    return (names[place:] + names[:place])[: len(names) // 2 + 1]


@pytest.mark.parametrize(("scene", "name"), MARKED, ids=str)
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
