"""The dependency rules of ARCHITECTURE.md that import-linter cannot see: about SQL, and about tests."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pgflow
import pytest

SOURCE = Path(pgflow.__file__).parent
ORACLE = Path(__file__).parents[4] / "sql-core" / "tests" / "oracle.py"
EXECUTES = {"copy", "execute", "executemany"}
WRITES = re.compile(
    r"\b(insert\s+into|update\s+\w|delete\s+from|truncate|alter|create|drop)\b", re.IGNORECASE
)


def modules(*, inside: str) -> Iterator[tuple[str, ast.Module]]:
    for path in sorted((SOURCE / inside).rglob("*.py")):
        yield str(path.relative_to(SOURCE)), ast.parse(path.read_text(encoding="utf-8"))


def test_rule_3_one_module_executes_sql() -> None:
    speakers = {
        name
        for name, module in modules(inside=".")
        for node in ast.walk(module)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in EXECUTES
    }
    assert {name for name in speakers if not name.startswith("database/")} == set()


def test_rule_3_every_statement_is_a_call_or_a_read() -> None:
    texts = [
        node.value
        for _, module in modules(inside="database/statements")
        for node in ast.walk(module)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and "pgflow." in node.value
    ]
    assert len(texts) > 20
    assert [text for text in texts if WRITES.search(text)] == []


@pytest.mark.skipif(not ORACLE.exists(), reason="not a checkout")
def test_rule_8_the_oracle_shares_no_code_with_the_engine() -> None:
    imported = {
        (alias.name if isinstance(node, ast.Import) else f"{'.' * node.level}{node.module or ''}")
        for node in ast.walk(ast.parse(ORACLE.read_text(encoding="utf-8")))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    strangers = {name for name in imported if name.startswith(("pgflow", "psycopg", "."))}
    assert strangers == set()
