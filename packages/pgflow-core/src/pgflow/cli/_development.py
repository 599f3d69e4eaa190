"""Keeps the flows of a project deployed and their workers running while the project's files change."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Sequence

from rich.markup import escape

from pgflow.cli._child import DispatcherProcess, environment_for
from pgflow.cli._problems import Failure
from pgflow.cli._session import Opened, Session
from pgflow.cli._watching import changes

__all__ = ["Development"]


class Development:
    """One `pgflow dev`: deploys in one child process after the other, and runs a dispatcher in another.

    The user's modules are imported in children only, each time afresh.
    """

    def __init__(self, session: Session, opened: Opened, flows: Sequence[str]) -> None:
        self._session = session
        self._opened = opened
        self._flows = list(flows)
        self._workers: DispatcherProcess | None = None

    def serve(self, stop: threading.Event, *, reload: bool) -> None:
        """Deploy and dispatch until `stop` is set, anew after each change of a file if `reload` is wanted."""
        self._say("database", self._opened.description)
        folders = self._session.config.pythonpath if reload else []
        is_first = True
        try:
            # The first look comes before the first deployment, so that no change falls between them.
            for changed in changes(folders, stop):
                if changed and not is_first:
                    self._say("changed", ", ".join(changed))
                if changed or is_first:
                    self._renew(reload=reload)
                elif self._workers is not None:
                    self._workers.check()
                is_first = False
        finally:
            if self._workers is not None:
                self._workers.stop()
        self._say("stopped")

    def _renew(self, *, reload: bool) -> None:
        if self._deploy():
            if self._workers is not None:
                self._workers.stop()
            self._workers = DispatcherProcess(self._opened.dsn, self._session, quiet=False)
            self._say("ready", "Ctrl-C stops" + (", a changed file reloads" if reload else ""))
        elif not reload:
            raise Failure("the flows cannot be deployed", mend="correct what is said above")
        elif self._workers is not None:
            self._say("kept", "what was deployed before")
        else:
            self._say("waiting", "for a change")

    def _deploy(self) -> bool:
        options = self._session.repeated_options(as_json=self._session.as_json)
        command = [sys.executable, "-m", "pgflow.cli", "deploy", *options, *self._flows]
        environment = environment_for(self._opened.dsn)
        return subprocess.run(command, env=environment, check=False).returncode == 0

    def _say(self, event: str, detail: str = "") -> None:
        output = self._session.output
        if self._session.as_json:
            output.document({"event": event, "detail": detail})
        else:
            output.line(f"[bold]{event:<9}[/]{escape(detail)}".rstrip())
