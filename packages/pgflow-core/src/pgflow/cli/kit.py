"""What a plugin's command is made of, so that it looks and answers as the others do."""

from __future__ import annotations

from pgflow_sql import Migration, migrations

from pgflow.cli._command import pgflow_command
from pgflow.cli._group import CommandGroup
from pgflow.cli._problems import Failure, Problem
from pgflow.cli._session import Session

__all__ = ["CommandGroup", "Failure", "Migration", "Problem", "Session", "migrations", "pgflow_command"]
