"""Finds flows in the user's modules, and says in words why one cannot be found."""

from __future__ import annotations

import difflib
import sys
import traceback
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from pgflow import Flow
from pgflow.cli._problems import Problem
from pgflow.config import Config
from pgflow.errors import PgflowError
from pgflow.tracebacks import user_traceback

__all__ = ["configured_flows", "is_reference", "load_flow"]


def is_reference(text: str) -> bool:
    """Tell "module:flow" from the slug of a deployed flow."""
    return ":" in text


def load_flow(reference: str, config: Config) -> Flow[Any, Any]:
    """Import "module:flow" with the project's folders on the path."""
    module_name, _, attribute = reference.partition(":")
    if "/" in module_name:
        raise Problem(f"{reference!r} names a file", mend=f"write its module: {_module_of(reference)}")
    if not module_name or module_name.startswith(".") or not attribute.isidentifier():
        raise Problem(
            f"{reference!r} is not a flow reference", mend="write MODULE:flow, as in `flows.hello:hello`"
        )
    module = _import(module_name, reference, config)
    found = getattr(module, attribute, None)
    if isinstance(found, Flow):
        return found  # pyright: ignore[reportUnknownVariableType]  a flow's types are its author's
    flows = [name for name, value in vars(module).items() if isinstance(value, Flow)]
    what = "has no" if found is None else f"is a {type(found).__name__}, not a flow:"
    close = difflib.get_close_matches(attribute, flows, n=1)
    if close:
        mend = f"did you mean `{module_name}:{close[0]}`?"
    elif flows:
        mend = f"its flows are {', '.join(f'`{module_name}:{name}`' for name in flows)}"
    else:
        mend = f"decorate a function of {module.__file__} with @flow"
    described = (
        f"module {module_name!r} has no flow {attribute!r}" if found is None else f"{reference!r} {what}"
    )
    raise Problem(described.rstrip(":"), mend=mend)


def configured_flows(config: Config) -> list[Flow[Any, Any]]:
    """Import every flow that pgflow.toml names."""
    if not config.settings.flows:
        where = config.file or "no pgflow.toml was found, so it"
        raise Problem(
            f"{where} names no flows",
            mend='name one on the command line, or write flows = ["module:flow"] in pgflow.toml',
        )
    return [load_flow(reference, config) for reference in config.settings.flows]


def _import(name: str, reference: str, config: Config) -> ModuleType:
    for folder in reversed([str(path) for path in config.pythonpath]):
        if folder not in sys.path:
            sys.path.insert(0, folder)
    try:
        return import_module(name)
    except PgflowError as error:
        raise Problem(
            f"{_place(error)}{error}", mend="correct the flow and try again", kind=type(error).__name__
        ) from error
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(error.name + ".")):
            raise _missing(error.name, reference, config) from error
        raise _broken(error, name) from error
    except (Exception, SystemExit) as error:
        raise _broken(error, name) from error


def _missing(name: str, reference: str, config: Config) -> Problem:
    looked = ", ".join(str(path) for path in config.pythonpath)
    mend = f"check the spelling, or `pythonpath` in pgflow.toml (looked in {looked} and sys.path)"
    if reference.partition(":")[0].endswith(".py"):
        mend = f"write the module, not its file: {_module_of(reference)}"
    return Problem(f"there is no module {name!r}, which {reference!r} names", mend=mend)


def _module_of(reference: str) -> str:
    """Write the reference of a flow in a file of the project as a module's."""
    path, _, attribute = reference.partition(":")
    return f"`{path.removesuffix('.py').strip('./').replace('/', '.')}:{attribute}`"


def _broken(error: BaseException, module: str) -> Problem:
    what = f"{_place(error)}cannot import {module!r}: {type(error).__name__}: {error}"
    return Problem(what, mend="correct that line and try again", traceback=user_traceback(error))


def _place(error: BaseException) -> str:
    """Name the line of the user's own code that raised, as "file:line: "."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{_short(error.filename)}:{error.lineno}: "
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not _is_library(frame.filename)]
    return f"{_short(own[-1].filename)}:{own[-1].lineno}: " if own else ""


def _is_library(filename: str) -> bool:
    return filename.startswith(("<", sys.prefix, sys.base_prefix, str(_PACKAGE)))


def _short(filename: str) -> str:
    try:
        return str(Path(filename).relative_to(Path.cwd()))
    except ValueError:
        return filename


_PACKAGE = Path(__file__).resolve().parents[1]
