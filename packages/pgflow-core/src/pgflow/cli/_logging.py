"""The log of the serving commands: lines for people, or JSON lines."""

from __future__ import annotations

import logging
import sys

import click

from pgflow.cli._session import Session
from pgflow.logs import JsonFormatter

__all__ = ["log_format_option", "log_to_stderr"]

log_format_option = click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    help="Log lines for people, or JSON lines (default: the configuration, or json with --json).",
)


def log_to_stderr(session: Session, log_format: str | None) -> logging.Logger:
    """Send PGFlow's log and the session's warnings to stderr, and return the logger."""
    chosen = log_format or ("json" if session.as_json else session.config.settings.dispatcher.log_format)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        JsonFormatter()
        if chosen == "json"
        else logging.Formatter("%(asctime)s %(levelname)-7s %(message)s", "%H:%M:%S")
    )
    logger = logging.getLogger("pgflow")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    session.log = logger.getChild("dispatcher")
    return session.log
