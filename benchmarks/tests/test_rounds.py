"""A turn that fails, and an interrupt, lose themselves only; how long the rest takes is told."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks.figures import in_rounds, ratios
from benchmarks.lineup import lineup
from benchmarks.participant import Contender
from benchmarks.progress import TOOK, Progress, taken_before
from benchmarks.rounds import Rounds

ABLE, UNABLE, OTHER = (
    Contender(name, (), "", frozenset(known))
    for name, known in (("able", ["work"]), ("unable", []), ("other", ["work"]))
)


class Stage:
    """Stands where the arena would: a turn is its contender."""

    @contextmanager
    def turn(self, contender: Contender) -> Iterator[Any]:
        yield SimpleNamespace(contender=contender)


class Load:
    name, title, needs, shown = "load", "", ("work",), ("per_s",)

    def __init__(self, *answers: float | BaseException) -> None:
        self._answers = iter(answers)

    def play(self, turn: Any) -> dict[str, float]:
        answer = next(self._answers)
        if isinstance(answer, BaseException):
            raise answer
        return {"per_s": answer}


def played(*answers: float | BaseException, rounds: int = 2) -> Rounds:
    """Play with two contenders: in the second round the other one begins."""
    found = Rounds(Stage(), [Load(*answers)], [ABLE, OTHER], rounds, {})  # type: ignore[arg-type]
    found.play(keep=lambda _: None)
    return found


def test_each_round_begins_with_another_contender():
    figures = played(1.0, 2.0, 4.0, 3.0).figures
    assert in_rounds(figures, "load", "able", "per_s") == [1.0, 3.0]
    assert in_rounds(figures, "load", "other", "per_s") == [2.0, 4.0]


def test_a_failure_leaves_its_place_empty_so_that_only_equal_rounds_compare():
    found = played(ValueError("no"), 2.0, 4.0, 8.0)
    able, other = (in_rounds(found.figures, "load", name, "per_s") for name in ("able", "other"))
    assert able == [None, 8.0]
    assert ratios(able, other, less_is_better=False) == [2.0]
    assert found.failures == ["round 1, load, able: ValueError: no"]
    assert found.ended == 2


def test_an_interrupt_keeps_what_was_measured():
    found = played(1.0, 2.0, KeyboardInterrupt())
    assert found.figures["load"]["able"][0]["per_s"] == 1.0
    assert found.ended == 1


def test_results_are_kept_after_each_round():
    kept: list[int] = []
    rounds = Rounds(Stage(), [Load(1.0, 2.0, 3.0, 4.0)], [ABLE, OTHER], 2, {})  # type: ignore[arg-type]
    rounds.play(keep=lambda each: kept.append(each.ended))
    assert kept == [1, 2]


def test_who_cannot_has_no_turn():
    rounds = Rounds(Stage(), [Load(1.0)], [UNABLE, ABLE], 1, {})  # type: ignore[arg-type]
    rounds.play(keep=lambda _: None)
    assert list(rounds.figures["load"]) == ["able"]


def test_the_rest_is_told_by_what_like_turns_took():
    progress = Progress([("chain", "a"), ("chain", "b"), ("chain", "a"), ("chain", "b")], {})
    progress.ended(60.0)
    progress.ended(120.0)
    assert progress.left == 180.0
    assert str(progress) == "2/4, about 3 min left"
    progress.ended(60.0)
    progress.ended(120.0)
    assert str(progress) == "4/4"


def test_an_earlier_result_knows_what_turns_take(tmp_path: Path):
    path = tmp_path / "latest.json"
    assert taken_before(path) == {}
    path.write_text(json.dumps({"rounds": {"chain": {"a": [{TOOK: 4.0}, {}, {TOOK: 6.0}], "b": [{}]}}}))
    assert taken_before(path) == {("chain", "a"): 5.0}


def test_a_name_that_nobody_has_is_refused_before_anything_is_installed():
    with pytest.raises(SystemExit, match="no contender pgquever; known: pgflow-sql, pgflow, pgqueuer"):
        lineup(["pgquever"], [])


def test_ours_alone_need_no_environment():
    chosen, failures = lineup(["pgflow", "old"], ["old=some/folder"])
    assert [one.name for one in chosen] == ["old", "pgflow"]
    assert failures == []
