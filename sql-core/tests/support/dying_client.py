"""A client that sends statements and waits, at the point named, to be killed: POINT on the command line.

It reads one JSON object: dsn, before (statements to get ready), statement.
"""

from __future__ import annotations

import json
import sys

import psycopg


def wait_for_death() -> None:
    """Say that the point is reached."""
    print("here", flush=True)
    sys.stdin.read()


def main(point: str) -> None:
    """Go as far as the point."""
    order = json.loads(sys.stdin.readline())
    connection = psycopg.connect(order["dsn"], autocommit=True)
    for statement in order["before"]:
        connection.execute(statement)
    if point == "before sending":
        wait_for_death()
    if point == "before reading":
        connection.pgconn.send_query(order["statement"].encode())
        connection.pgconn.flush()
        wait_for_death()
    connection.execute("begin")
    connection.execute(order["statement"])
    if point == "before commit":
        wait_for_death()
    connection.execute("commit")
    wait_for_death()


if __name__ == "__main__":
    main(sys.argv[1])
