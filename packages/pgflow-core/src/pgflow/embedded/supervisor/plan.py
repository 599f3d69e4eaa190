"""What a parent tells its supervisor and what it hears back; both travel as one JSON object."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

Failure = Literal["initdb", "start", "port", "timeout"]


@dataclass(frozen=True)
class Folder:
    """The files of one embedded server; every path below is absolute."""

    root: Path

    @property
    def cluster(self) -> Path:
        """PostgreSQL's own data directory."""
        return self.root / "cluster"

    @property
    def password(self) -> Path:
        """The superuser's password, readable by the owner only."""
        return self.root / "password"

    @property
    def log(self) -> Path:
        """What the server has written since its last start; the run before is kept beside it as `.old`."""
        return self.root / "server.log"

    @property
    def start_lock(self) -> Path:
        """Held while somebody decides whether to start the server; its presence marks the folder as ours."""
        return self.root / "pgflow-embedded.lock"

    @property
    def users_lock(self) -> Path:
        """Shared by every user of the server; whoever gets it exclusively stops the server."""
        return self.root / "users.lock"

    @property
    def supervisor_lock(self) -> Path:
        """Held by the supervisor as long as it lives."""
        return self.root / "supervisor.lock"


@dataclass(frozen=True)
class Plan:
    """A server to run.

    `version` is the major one of `binaries`, `port` 0 means any free one, `settings` are configuration
    parameters.
    """

    folder: str
    binaries: str
    version: str
    port: int
    settings: dict[str, str]
    remove_afterwards: bool
    start_seconds: float

    def to_json(self) -> str:
        """The plan as the text the supervisor reads from its standard input."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Plan":
        """The plan back from its text."""
        return cls(**json.loads(text))


@dataclass(frozen=True)
class Report:
    """What became of the start: a failure with PostgreSQL's own words, or none."""

    failure: Failure | None = None
    detail: str = ""

    def to_json(self) -> str:
        """The report as one line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, line: str) -> "Report":
        """The report back from its line."""
        fields: dict[str, Any] = json.loads(line)
        return cls(**fields)
