"""What `pgflow logs --follow` adds to what it has shown, from tails that begin anywhere."""

import pytest
from pgflow.cli._logs import LogFollower, _behind
from pgflow.database.statements.runs import LiveLogRow


@pytest.mark.parametrize(
    ("tail", "told", "rest"),
    [
        ("one\ntwo\n", 0, "one\ntwo\n"),
        ("one\ntwo\n", 4, "two\n"),
        ("one\ntwo\n", 8, ""),
        ("[... 4 bytes of output dropped ...]\ntwo\n", 4, "two\n"),
        ("[... 4 bytes of output dropped ...]\ntwo\n", 6, "o\n"),
        ("[... 4 bytes of output dropped ...]\ntwo\n", 2, "[... 4 bytes of output dropped ...]\ntwo\n"),
        ("[... 8 bytes of output are in logs/a.log ...]\ntwo\n", 4, "two\n"),
        ("[... 8 bytes of output are in logs/a.log ...]\ntwo\n", 7, "\n"),
        ("caf\u00e9\nbar\n", 6, "bar\n"),
    ],
)
def test_the_end_of_an_output_follows_what_was_told(tail, told, rest):
    assert _behind(tail, told) == rest


def test_lines_are_told_once_and_what_was_missed_is_said():
    follower = LogFollower(None, None, None, None)

    def told(tail, end):
        return [part.text for part in follower._lines(LiveLogRow("s", 0, 1, tail, end))]

    assert told("one\ntw", 6) == ["one\n"]
    assert told("one\ntw", 6) == []
    assert told("one\ntwo\nthree\n", 14) == ["two\nthree\n"]
    assert told("e\nfive\n", 26) == ["[... 5 bytes of output ...]\ne\nfive\n"]
