"""What the operator configured: `pgflow.toml`, the environment, and which database that means.

Reads and checks only: it opens no connection, starts no server and imports no flow.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    ValidationError,
)
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from pgflow.api.settings import ApiSettings
from pgflow.envelope import ReportTarget
from pgflow.errors import ConfigError

__all__ = [
    "ENV_PREFIX",
    "FILE_NAME",
    "Config",
    "Database",
    "DispatcherConfig",
    "Embedded",
    "EmbeddedConfig",
    "ExecutorConfig",
    "Settings",
    "find_file",
    "load",
    "redact",
]

FILE_NAME = "pgflow.toml"
ENV_PREFIX = "PGFLOW_"

FlowRef = Annotated[str, StringConstraints(pattern=r"^[\w.]+:\w+$")]


def _split(value: object) -> object:
    """Read a comma-separated environment variable as a list."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


class ExecutorConfig(BaseModel):
    """One executor: steps name `<name>`. All other keys are settings of the plugin's executor."""

    model_config = ConfigDict(extra="allow")

    use: str
    """What runs it: an executor that `pgflow plugins` lists."""
    report_to: ReportTarget | None = None
    """Where its attempts report to, instead of what `[api]` says; none runs attempts elsewhere without."""
    max_in_flight: int | None = Field(default=None, ge=1)
    """Attempts under way at once, at most, over all dispatchers where they run elsewhere."""
    observe_every: float = Field(default=15.0, ge=1)
    """Seconds between two looks at an attempt that runs elsewhere."""

    @property
    def settings(self) -> dict[str, Any]:
        """The plugin's own keys, as the plugin's Settings will check them."""
        return dict(self.model_extra or {})


class DispatcherConfig(BaseModel):
    """What `pgflow dispatch` does; durations are seconds."""

    model_config = ConfigDict(extra="forbid")

    lease: float = Field(default=30.0, gt=0)
    """How long after a dispatcher died its tasks are run again elsewhere."""
    grace: float = Field(default=20.0, ge=0)
    """How long running tasks may go on after a request to stop."""
    listen_dsn: SecretStr | None = None
    """A direct connection for LISTEN, where `dsn` leads to a pooler in transaction mode."""
    http: str | None = None
    """`HOST:PORT` that [health, readiness and metrics](dispatcher.md#over-http) are served on; needs
    `pgflow-core[http]`."""
    log_format: Literal["text", "json"] = "text"
    """`"json"` logs a JSON object a line, with the fields of [the log](dispatcher.md#log)."""
    tracing: bool = False
    """Export a span for each attempt, see [traces](dispatcher.md#traces); needs `pgflow-core[otel]`."""


class EmbeddedConfig(BaseModel):
    """The PostgreSQL that starts by itself where no DSN is given."""

    model_config = ConfigDict(extra="forbid")

    data_dir: Path = Path(".pgflow/postgres")
    """Where its data is."""
    version: Literal["16", "18"] = "18"
    """The version of PostgreSQL."""
    port: int = Field(default=0, ge=0, le=65535)
    """Its TCP port on 127.0.0.1; 0 takes any free one."""


class Settings(BaseSettings):
    """The keys of `pgflow.toml`; `PGFLOW_<KEY>` in the environment wins over the file."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX, env_nested_delimiter="__", env_ignore_empty=True, extra="forbid"
    )

    dsn: SecretStr | None = None
    """The database, as a PostgreSQL URL or `key=value` string. Keep passwords out of the file."""
    flows: Annotated[list[FlowRef], NoDecode, BeforeValidator(_split)] = []
    """What `pgflow dev` and `pgflow deploy` define, each as `"module:flow"`."""
    pythonpath: Annotated[list[Path], NoDecode, BeforeValidator(_split)] = [Path()]
    """Folders that flow modules are imported from; `["src"]` for a src layout."""
    embedded: EmbeddedConfig = EmbeddedConfig()
    """The `[embedded]` table."""
    executors: dict[str, ExecutorConfig] = {"local": ExecutorConfig(use="local")}
    """The `[executors.<name>]` tables."""
    dispatcher: DispatcherConfig = DispatcherConfig()
    """The `[dispatcher]` table."""
    api: ApiSettings = ApiSettings()
    """The `[api]` table."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Put the environment before the file, which arrives as init arguments."""
        return env_settings, init_settings


@dataclass(frozen=True, slots=True)
class Database:
    """A database named by a DSN."""

    dsn: SecretStr
    source: str
    """Where the DSN was found, for messages: "--dsn", "PGFLOW_DSN", "DATABASE_URL" or the file."""

    def __str__(self) -> str:
        return f"{redact(self.dsn.get_secret_value())} (from {self.source})"


@dataclass(frozen=True, slots=True)
class Embedded:
    """No DSN was given: the embedded PostgreSQL, with its data in `data_dir`."""

    data_dir: Path
    version: Literal["16", "18"]
    port: int = 0

    def __str__(self) -> str:
        return f"embedded PostgreSQL {self.version} in {self.data_dir}"


@dataclass(frozen=True, slots=True)
class Config:
    """The checked configuration of one project."""

    root: Path
    """The folder of pgflow.toml, or the working directory where there is none."""
    file: Path | None
    settings: Settings

    @property
    def pythonpath(self) -> list[Path]:
        """The absolute folders that flow modules are imported from."""
        return [(self.root / path).resolve() for path in self.settings.pythonpath]

    def executor(self, name: str) -> ExecutorConfig:
        """Look an executor up by the name that steps use; raises ConfigError."""
        found = self.settings.executors.get(name)
        if found is None:
            known = ", ".join(self.settings.executors) or "none"
            where = self.file or "the default configuration"
            raise ConfigError(
                f"{where}: no executor {name!r} (there are: {known}); add [executors.{name}] to {FILE_NAME}"
            )
        return found

    def database(self, flag: str | None = None) -> Database | Embedded:
        """Say which database is meant: flag, PGFLOW_DSN, DATABASE_URL, file, else the embedded one."""
        named = (("--dsn", flag), *((name, os.environ.get(name)) for name in ("PGFLOW_DSN", "DATABASE_URL")))
        for source, dsn in named:
            if dsn:
                return Database(SecretStr(dsn), source)
        if self.settings.dsn is not None:
            return Database(self.settings.dsn, str(self.file))
        embedded = self.settings.embedded
        return Embedded((self.root / embedded.data_dir).resolve(), embedded.version, embedded.port)


def find_file(start: Path) -> Path | None:
    """Find the nearest `pgflow.toml` in `start` or a folder above it."""
    for folder in (start, *start.parents):
        candidate = folder / FILE_NAME
        if candidate.is_file():
            return candidate
    return None


def load(start: Path | None = None, *, file: Path | None = None) -> Config:
    """Read `file`, or the nearest `pgflow.toml` above `start` (default: the working directory).

    Raises ConfigError naming the file (or environment variable), the key and how to mend it.
    """
    folder = (start or Path.cwd()).resolve()
    if file is None:
        found = find_file(folder)
    elif file.is_file():
        found = file.resolve()
    else:
        raise ConfigError(
            f"{file}: no such file; name an existing {FILE_NAME}, or write one with `pgflow init`"
        )
    table = {} if found is None else _read(found)
    try:
        settings = Settings(**table)
    except ValidationError as error:
        raise ConfigError("\n".join(_problems(error, found, table))) from None
    except ValueError as error:  # pydantic-settings: an environment variable that is not the JSON it must be
        raise ConfigError(_misread(error)) from None
    return Config(found.parent if found else folder, found, settings)


def redact(dsn: str) -> str:
    """Render a DSN without its password, for people."""
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict

    try:
        parts = conninfo_to_dict(dsn)
    except ProgrammingError:
        return "a DSN that PostgreSQL cannot read"
    shown = ("host", "port", "dbname", "user")
    return " ".join(f"{key}={parts[key]}" for key in shown if parts.get(key)) or "the default server"


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read: {error.strerror}; make it readable") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: is not valid TOML: {error}; mend that place") from None


def _problems(error: ValidationError, file: Path | None, table: Mapping[str, Any]) -> Iterator[str]:
    """Say each problem without the value: it may be a password."""
    for problem in error.errors(include_input=False, include_url=False):
        path = [str(part) for part in problem["loc"]]
        key = ".".join(path)
        where = _where(path, file, table)
        if problem["type"] == "extra_forbidden":
            yield f"{where}: unknown key `{key}`; {_nearest(path)}"
        elif problem["type"] == "missing":
            yield f"{where}: key `{key}` is missing; add it"
        elif problem["type"] == "string_pattern_mismatch":
            yield f'{where}: `{key}` is not a flow reference; write it "module:flow"'
        else:
            yield f"{where}: `{key}` is wrong: {problem['msg']}; mend its value"


def _misread(error: ValueError) -> str:
    """Name the variable that pydantic-settings could not read as the JSON of a table."""
    field = str(error).partition('field "')[2].partition('"')[0]
    variable = f"{ENV_PREFIX}{field.upper()}"
    return f"environment variable {variable}: not a JSON object; write one, or set {variable}__<KEY>"


def _where(path: list[str], file: Path | None, table: Mapping[str, Any]) -> str:
    variables = [ENV_PREFIX + "__".join(path[:depth]).upper() for depth in range(len(path), 0, -1)]
    present = {name.upper() for name in os.environ}
    for variable in variables:
        if variable in present:
            return f"environment variable {variable}"
    if file is None or path[0] not in table:
        return "environment"
    return str(file)


_TABLES: Mapping[str, type[BaseModel]] = {
    "api": ApiSettings,
    "dispatcher": DispatcherConfig,
    "embedded": EmbeddedConfig,
}


def _nearest(path: list[str]) -> str:
    known = list(_TABLES.get(path[0], Settings).model_fields if len(path) > 1 else Settings.model_fields)
    close = difflib.get_close_matches(path[-1], known, n=1)
    return f"did you mean `{close[0]}`?" if close else f"known keys are {', '.join(known)}: remove it"
