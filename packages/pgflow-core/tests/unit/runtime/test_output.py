"""Output of a task: passed on, its tail kept, its secrets cut out."""

import sys

from pgflow.runtime.output import Tail, captured
from pgflow.runtime.redaction import Redaction


def test_output_is_passed_on_and_kept(capsys):
    with captured(100) as tail:
        print("to people")
        print("to operators", file=sys.stderr)
        assert not sys.stdout.isatty()
    print("afterwards")
    assert tail.take() == b"to people\nto operators\n"
    assert capsys.readouterr() == ("to people\nafterwards\n", "to operators\n")


def test_only_the_end_is_kept_and_what_is_dropped_is_counted():
    tail = Tail(10)
    for number in range(1000):
        tail.write(f"{number:09}\n")
    assert tail.take() == b"[... 9990 bytes of output dropped ...]\n000000999\n"
    assert Tail(0).take() == b""


def test_secrets_are_cut_out_the_longest_first():
    redaction = Redaction(["word", "password", None, ""])
    assert redaction.text("the password is a word") == "the [redacted] is a [redacted]"
    assert redaction.error({"message": "a word", "attempt": 1}) == {"message": "a [redacted]", "attempt": 1}
