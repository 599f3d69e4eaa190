"""What is made of stacks and counts."""

from collections import Counter

import pytest

from benchmarks.measure import Cost
from benchmarks.profile_cases import Case, cases
from benchmarks.profile_report import found, function_table, look_table, shortened, summed
from benchmarks.spent import Function, Statement
from benchmarks.stacks import Frame, folded, short

CASE = Case("chain", "Chains", "pgflow", 100, "step", ())


@pytest.mark.parametrize(
    ("frame", "shown"),
    [
        ("claim (/a/b/pgflow/dispatcher/claims.py:12)", "claim (dispatcher/claims.py)"),
        ("<listcomp> (asyncio/events.py:80)", "<listcomp> (asyncio/events.py)"),
        ("_Py_eval (libpython3.11.so)", "_Py_eval (libpython3.11.so)"),
        ("read", "read"),
    ],
)
def test_a_frame_is_shown_without_its_long_path(frame: str, shown: str):
    assert short(frame) == shown


def test_looks_of_several_processes_are_summed():
    looks = folded(["run (a.py:1);send (b.py:2) 6\nrun (a.py:1) 2\n", "run (a.py:9);send (b.py:3) 2\n"])
    assert looks.count == 10
    assert looks.frames == (Frame("send (b.py)", 0.8, 0.8), Frame("run (a.py)", 0.2, 1.0))


def test_a_function_that_calls_itself_is_counted_once():
    assert folded(["f (a.py:1);f (a.py:1) 4\n"]).frames == (Frame("f (a.py)", 1.0, 1.0),)


def test_processes_that_were_never_at_work_have_no_frames():
    assert folded(["", ""]).frames == ()


def test_functions_are_shown_by_unit_and_the_small_ones_together():
    functions = [Function("claim", 50, 3.0, 6.0), Function("tiny", 1, 0.001, 0.001)]
    lines = function_table(functions, CASE).splitlines()
    assert lines[0] == "| function | calls a step | own us a step | share | us a call, with what it calls |"
    assert lines[2:] == ["| `claim` | 0.50 | 30.0 | 100.0% | 120 |", "| others |  | 0.01 | 0.0% |  |"]


def test_what_nothing_was_counted_of_is_an_empty_table():
    assert function_table([], CASE).splitlines()[2:] == ["| others |  | 0.00 | 0.0% |  |"]


def test_seldom_seen_functions_are_left_out():
    looks = folded(["a (a.py:1) 999\nb (b.py:1) 1\n"])
    assert look_table("worker", looks).splitlines()[2:] == ["| `a (a.py)` | 99.9% | 99.9% |"]


def test_a_long_statement_is_cut_and_cannot_break_the_table():
    assert shortened("select `a` || b") == "select 'a' ¦¦ b"
    assert len(shortened("x" * 200)) == 90


def test_the_costs_of_operations_are_summed_by_unit():
    costs = [
        Cost(1.0, 5, 0.001, 0.002, 1000),
        Cost(2.0, 5, 0.001, 0.003, 2000, {}, {"start_ms": [1.0, 9.0, 2.0], "seconds": 2.0}),
    ]
    statements = [Statement("select 1", True, 100, 5.0, 3000, 400)]
    functions, waits = [Function("claim", 50, 3.0, 6.0)], Counter({"WalSync": 1, "working": 3})
    profile = summed(CASE, costs, functions, statements, waits, {"client": folded([""])})
    assert (profile.seconds, profile.wal_bytes, profile.milliseconds) == (3.0, 30.0, {"start": 2.0})
    assert (profile.server_us, profile.client_us) == pytest.approx((50.0, 20.0))
    text = profile.markdown()
    assert "- sessions at work: working 75%, WalSync 25%" in text
    assert "- start p50: 2.00 ms" in text
    assert "| `select 1`, sent by the client | 1.00 | 50.0 | 30.0 | 4.00 |" in text
    assert found(profile)["functions"][0]["name"] == "claim"


def test_cases_have_names_of_their_own():
    names = [case.name for case in cases()]
    assert len(set(names)) == len(names)
