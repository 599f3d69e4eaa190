"""Jobs by hand, asked of an API server as any client does; nothing here needs the image of a step."""

from __future__ import annotations

import json
from typing import Any

from ..dispatching import until


def manifest(
    namespace, name: str, script: str, *, env=(), image=None, grace=2, **spec: Any
) -> dict[str, Any]:
    container = {
        "name": "task",
        "image": image or namespace.shell,
        "command": ["sh", "-c", script],
        "env": list(env),
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }
    pod = {"restartPolicy": "Never", "terminationGracePeriodSeconds": grace, "containers": [container]}
    return {"metadata": {"name": name}, "spec": {"backoffLimit": 0, **spec, "template": {"spec": pod}}}


def create(namespace, *args: Any, **more: Any) -> dict[str, Any]:
    answer = namespace.batch.create_namespaced_job(
        namespace.name, manifest(namespace, *args, **more), _preload_content=False
    )
    return json.loads(answer.data)


def raw(call, *args: Any, **query: Any) -> Any:
    return json.loads(call(*args, _preload_content=False, **query).data)


def pods_of(namespace, name: str) -> list[dict[str, Any]]:
    selector = f"job-name={name}"
    return raw(namespace.core.list_namespaced_pod, namespace.name, label_selector=selector)["items"]


def ended(namespace, name: str) -> dict[str, Any] | None:
    status = raw(namespace.batch.read_namespaced_job, name, namespace.name).get("status") or {}
    found = [each for each in status.get("conditions") or () if each["type"] in {"Complete", "Failed"}]
    return {**found[0], "all": status} if found and found[0]["status"] == "True" else None


async def end_of(namespace, name: str) -> dict[str, Any]:
    return await until(lambda: ended(namespace, name))


async def running_pod(namespace, name: str) -> dict[str, Any]:
    def look():
        return [pod for pod in pods_of(namespace, name) if pod["status"].get("phase") == "Running"]

    return (await until(look))[0]


async def state_of(namespace, name: str, reasons: set[str]) -> dict[str, Any]:
    """Wait until the container of a Job waits for one of these reasons."""

    def look():
        for pod in pods_of(namespace, name):
            for each in pod["status"].get("containerStatuses") or ():
                if each["state"].get("waiting", {}).get("reason") in reasons:
                    return each["state"]["waiting"]
        return None

    return await until(look)
