"""What users import is typed in full: a checker need not guess at any of it."""

import json
import subprocess
import sys

import pytest

#: Where the names that `pgflow` exports live, and what plugins import.
PUBLIC = ("client", "dsl", "envelope", "errors", "executor", "hookspecs", "inline", "runtime.context")


@pytest.mark.slow
def test_every_public_symbol_has_a_known_type():
    options = ("--pythonpath", sys.executable, "--verifytypes", "pgflow", "--ignoreexternal", "--outputjson")
    command = [sys.executable, "-m", "pyright", *options]
    told = json.loads(
        subprocess.run(command, capture_output=True, text=True, check=False, timeout=300).stdout
    )
    symbols = told["typeCompleteness"]["symbols"]
    homes = tuple(f"pgflow.{home}." for home in PUBLIC)
    public = [each for each in symbols if each["name"].startswith(homes) or each["name"].count(".") == 1]
    assert {home for home in homes if any(each["name"].startswith(home) for each in public)} == set(homes)
    guessed = [each["name"] for each in public if each["isTypeAmbiguous"] or not each["isTypeKnown"]]
    assert guessed == []
