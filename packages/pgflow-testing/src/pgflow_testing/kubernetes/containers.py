"""Containers as processes of this machine: what is in their environment, and how they end."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import re
import shutil
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from pgflow_testing.kubernetes.objects import Object, part
from pgflow_testing.kubernetes.resources import CONFIG_MAP, SECRET, Kind
from pgflow_testing.kubernetes.store import Store, now

__all__ = ["Container", "Unready"]

_VARIABLE: Final = re.compile(r"\$\$|\$\(([^()]+)\)")
_LABEL: Final = re.compile(r"metadata\.(labels|annotations)\['(.+)'\]")
_MESSAGE_BYTES: Final = 2048
_PASSED_ON: Final = ("LANG", "PATH", "TMPDIR")


class Unready(Exception):
    """The container cannot be made yet: what it takes its environment from is not there."""


class Container:
    """One run of one container of a pod; `folder` is where it works and its log is kept."""

    def __init__(self, store: Store, pod: Object, spec: Object, folder: Path, run: int) -> None:
        self._store = store
        self._pod = pod
        self._spec = spec
        self._folder = folder
        self.log = folder / f"{spec['name']}.{run}.log"
        self._process: asyncio.subprocess.Process | None = None
        self._started_at = now()
        self.state: Object = {"waiting": {"reason": "ContainerCreating"}}

    async def start(self, entrypoint: Sequence[str], extra: Mapping[str, str]) -> None:
        """Start the process; raises Unready. A command that is not there is the container's end."""
        environment = {**_host(), "HOME": str(self._folder), **extra, **self._environment()}
        command = [*(self._spec.get("command") or entrypoint), *(self._spec.get("args") or ())]
        arguments = [_expanded(each, environment) for each in command]
        self.log.touch()
        self._started_at = now()
        program = shutil.which(arguments[0], path=environment["PATH"]) if arguments else None
        if program is None:
            told = (
                f'exec: "{arguments[0]}": executable file not found in $PATH'
                if arguments
                else "no command specified"
            )
            self._end(128, "StartError", told)
            return
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *_leash(),
                program,
                *arguments[1:],
                cwd=self._spec.get("workingDir") or self._folder,
                env=environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.state = {"running": {"startedAt": self._started_at}}

    async def wait(self) -> None:
        """Wait for its end; what it leaves behind is killed."""
        if self._process is None:
            return
        code = await self._process.wait()
        self.signal(signal.SIGKILL, reaped=True)
        if "terminated" not in self.state:
            self._end(code if code >= 0 else 128 - code, "Error" if code else "Completed")

    def signal(self, number: signal.Signals, *, reaped: bool = False) -> None:
        """Signal its first process; SIGKILL is for all that it has started, too."""
        if self._process is not None and (reaped or self._process.returncode is None):
            send = os.killpg if number is signal.SIGKILL else os.kill
            with contextlib.suppress(ProcessLookupError, PermissionError):
                send(self._process.pid, number)

    def _end(self, code: int, reason: str, message: str = "") -> None:
        ended: Object = {
            "exitCode": code,
            "reason": reason,
            "startedAt": self._started_at,
            "finishedAt": now(),
        }
        if not message and code and self._spec.get("terminationMessagePolicy") == "FallbackToLogsOnError":
            message = self.log.read_bytes()[-_MESSAGE_BYTES:].decode(errors="replace")
        self.state = {"terminated": {**ended, **({"message": message} if message else {})}}

    def _environment(self) -> dict[str, str]:
        variables: dict[str, str] = {}
        for source in self._spec.get("envFrom") or ():
            for key, kind in (("secretRef", SECRET), ("configMapRef", CONFIG_MAP)):
                if key in source:
                    held = self._held(kind, source[key]) or {}
                    variables |= {source.get("prefix", "") + name: value for name, value in held.items()}
        for variable in self._spec.get("env") or ():
            value = self._value(variable, variables)
            if value is not None:
                variables[variable["name"]] = value
        return variables

    def _value(self, variable: Object, before: Mapping[str, str]) -> str | None:
        source: Mapping[str, Any] = part(variable, "valueFrom")
        if "fieldRef" in source:
            return self._field(source["fieldRef"]["fieldPath"])
        for key, kind in (("secretKeyRef", SECRET), ("configMapKeyRef", CONFIG_MAP)):
            if key in source:
                return self._key(kind, source[key])
        return _expanded(variable.get("value") or "", before)

    def _key(self, kind: Kind, ref: Object) -> str | None:
        held = self._held(kind, ref)
        if held is None or ref["key"] in held or ref.get("optional"):
            return (held or {}).get(ref["key"])
        place = f"{self._pod['metadata']['namespace']}/{ref['name']}"
        raise Unready(f"couldn't find key {ref['key']} in {kind.name} {place}")

    def _held(self, kind: Kind, ref: Object) -> dict[str, str] | None:
        """Return what a Secret or ConfigMap holds; None where an optional one is not there."""
        found = self._store.get(kind, self._pod["metadata"]["namespace"], ref["name"])
        if found is None:
            if ref.get("optional"):
                return None
            raise Unready(f'{kind.name.lower()} "{ref["name"]}" not found')
        data: dict[str, str] = part(found, "data")
        return data if kind is CONFIG_MAP else {k: base64.b64decode(v).decode() for k, v in data.items()}

    def _field(self, path: str) -> str:
        about, spec = self._pod["metadata"], self._pod["spec"]
        found = _LABEL.fullmatch(path)
        if found:
            return str(part(about, found[1]).get(found[2], ""))
        fields = {f"metadata.{key}": about[key] for key in ("name", "namespace", "uid")}
        fields["spec.nodeName"] = spec.get("nodeName", "")
        fields["spec.serviceAccountName"] = spec.get("serviceAccountName", "default")
        fields |= dict.fromkeys(
            ("status.podIP", "status.podIPs", "status.hostIP", "status.hostIPs"), "127.0.0.1"
        )
        if path not in fields:
            raise Unready(f"unsupported fieldPath: {path}")
        return str(fields[path])


def _expanded(text: str, variables: Mapping[str, str]) -> str:
    """Put variables in the place of $(NAME); $$ is a dollar."""
    return _VARIABLE.sub(lambda found: "$" if found[0] == "$$" else variables.get(found[1], found[0]), text)


def _host() -> dict[str, str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    return {**{name: os.environ[name] for name in _PASSED_ON if name in os.environ}, "PATH": path}


def _leash() -> list[str]:
    """Have the kernel kill a process when the thread that started it ends, where that can be had."""
    setpriv = shutil.which("setpriv") if sys.platform == "linux" else None
    return [setpriv, "--pdeathsig", "KILL", "--"] if setpriv else []
