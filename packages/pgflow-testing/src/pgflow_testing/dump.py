"""A schema as text that can be compared: the same for the same objects, whoever made them and when."""

import os
import re
import subprocess

from pgflow.embedded import find_binaries
from psycopg.conninfo import conninfo_to_dict, make_conninfo

_SCHEMAS = ("pgflow", "pgflow_locks")
# Psql commands with a random key, session settings and comments: nothing that belongs to an object.
_NOISE = re.compile(r"\\(un)?restrict\b|SET |SELECT pg_catalog\.set_config\(|--")
_BODY_QUOTE = re.compile(r"\$\w*\$")


def dump_schema(dsn: str) -> str:
    """The definitions of all objects of PGFlow's schemas, as pg_dump 18 writes them, without noise."""
    parts = {key: str(value) for key, value in conninfo_to_dict(dsn).items()}
    password = parts.pop("password", "")
    command = [str(find_binaries("18") / "pg_dump"), "--schema-only", "--no-owner"]
    command += [f"--schema={schema}" for schema in _SCHEMAS]
    command += ["--dbname", make_conninfo("", **parts)]
    done = subprocess.run(
        command, env={**os.environ, "PGPASSWORD": password}, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"pg_dump failed: {done.stderr}")
    return normalise(done.stdout)


def normalise(dump: str) -> str:
    """The dump without noise between statements; function bodies are kept to the letter."""
    kept: list[str] = []
    quote: str | None = None
    for line in dump.splitlines():
        if quote is None and (not line.strip() or _NOISE.match(line)):
            continue
        for found in _BODY_QUOTE.findall(line):
            if quote in (None, found):
                quote = found if quote is None else None
        kept.append(line)
    return "\n".join(kept) + "\n"
