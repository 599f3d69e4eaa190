"""The indexes that the schema comes with."""

import re

from pgflow_sql.migration import install_script

_INDEX = re.compile(
    r"^create (?:unique )?index (\w+) on pgflow\.|^  .*\bconstraint (\w+) (?:primary key|unique)\b",
    re.MULTILINE,
)


def index_names() -> list[str]:
    """Every index of the present schema, also those of primary keys and unique constraints."""
    return [index or constraint for index, constraint in _INDEX.findall(install_script())]
