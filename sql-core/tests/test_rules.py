"""Every rule of RULES.md has a test that says so."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

_TESTS = Path(__file__).parent
_ROOT = _TESTS.parents[1]
_PLACES = (_TESTS, _ROOT / "integration-tests")


def stated() -> set[int]:
    """Return the numbers in RULES.md."""
    return set(map(int, re.findall(r"^\| (\d+) \|", (_TESTS.parent / "RULES.md").read_text(), re.MULTILINE)))


def said_by_tests() -> Iterator[tuple[str, int]]:
    """Yield name and number of each test whose docstring begins with `Rule 1:` or `Rules 1 and 2:`."""
    for path in (path for place in _PLACES for path in place.rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                said = re.match(r"Rules? ([\d, and]+):", ast.get_docstring(node) or "")
                for number in re.findall(r"\d+", said[1] if said else ""):
                    yield f"{path.name}::{node.name}", int(number)


def test_every_rule_has_a_test() -> None:
    assert len(stated()) > 80
    assert stated() - {number for _, number in said_by_tests()} == set()


def test_no_test_says_a_rule_that_is_not_there() -> None:
    known = stated()
    assert [name for name, number in said_by_tests() if number not in known] == []
