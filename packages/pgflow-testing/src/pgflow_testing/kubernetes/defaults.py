"""What the server fills in, and what it does not take: pure functions of an object."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from pgflow_testing.kubernetes.objects import Object, part, parts
from pgflow_testing.kubernetes.refusals import invalid
from pgflow_testing.kubernetes.resources import JOB, POD, SECRET, Kind

__all__ = ["check", "check_update", "complete"]

Faults = Iterator[tuple[str, str]]

_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LABEL: Final = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_LABEL_KEY: Final = re.compile(r"([a-z0-9.-]{1,253}/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_SUBDOMAIN: Final = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', "
    "and must start and end with an alphanumeric character"
)
_LONGEST_JOB_NAME: Final = 63
_LONGEST_NAME: Final = 253
_SECRET_BYTES: Final = 1024 * 1024
_REQUIRED: Final = "Required value"
_IMMUTABLE: Final = "field is immutable"


def complete(kind: Kind, item: Object) -> None:
    """Fill in, in place, what a manifest leaves out."""
    if kind is SECRET:
        _complete_secret(item)
    elif kind is POD:
        _complete_pod(item.setdefault("spec", {}))
        item.setdefault("status", {"phase": "Pending", "qosClass": "BestEffort"})
    elif kind is JOB:
        _complete_job(item)


def check(kind: Kind, item: Object) -> None:
    """Refuse an object that is wrong; raises Refusal."""
    about = item["metadata"]
    faults = [*_metadata_faults(about)]
    if kind is JOB:
        faults += _job_faults(item)
    elif kind is POD:
        faults += _pod_faults(item["spec"], "spec")
    elif kind is SECRET:
        faults += _secret_faults(item)
    if faults:
        raise invalid(kind.name, kind.group, about.get("name", ""), faults)


def check_update(kind: Kind, before: Object, after: Object) -> None:
    """Refuse a change of what is fixed; raises Refusal."""
    check(kind, after)
    faults: list[tuple[str, str]] = []
    if kind is JOB:
        fixed = ["selector", "completions", "completionMode", "podFailurePolicy", "backoffLimitPerIndex"]
        # The template may change until the Job has been started for the first time.
        if not before["spec"].get("suspend") or part(before, "status").get("startTime"):
            fixed.append("template")
        faults += _changed(before["spec"], after["spec"], fixed, "spec")
    elif kind is POD:
        spec = before["spec"]
        fixed = [key for key in spec if key not in {"activeDeadlineSeconds", "tolerations", "containers"}]
        faults += _changed(spec, after["spec"], fixed, "spec")
    elif kind is SECRET:
        if before.get("immutable"):
            faults += _changed(before, after, ["data", "immutable"], "")
        faults += _changed(before, after, ["type"], "")
    if faults:
        raise invalid(kind.name, kind.group, after["metadata"]["name"], faults)


def _changed(before: Object, after: Object, keys: list[str], path: str) -> Faults:
    for key in keys:
        if before.get(key) != after.get(key):
            yield f"{path}.{key}".removeprefix("."), _IMMUTABLE


def _complete_secret(item: Object) -> None:
    item.setdefault("type", "Opaque")
    plain: Mapping[str, str] | None = item.pop("stringData", None)
    if plain:
        encoded = {name: base64.b64encode(value.encode()).decode() for name, value in plain.items()}
        item["data"] = {**part(item, "data"), **encoded}


def _complete_pod(spec: Object) -> None:
    spec.setdefault("restartPolicy", "Always")
    spec.setdefault("terminationGracePeriodSeconds", 30)
    spec.setdefault("dnsPolicy", "ClusterFirst")
    spec.setdefault("schedulerName", "default-scheduler")
    spec.setdefault("securityContext", {})
    for container in [*parts(spec, "initContainers"), *parts(spec, "containers")]:
        container.setdefault("terminationMessagePath", "/dev/termination-log")
        container.setdefault("terminationMessagePolicy", "File")
        container.setdefault("imagePullPolicy", "IfNotPresent")
        container.setdefault("resources", {})


def _complete_job(item: Object) -> None:
    spec = item.setdefault("spec", {})
    if "completions" not in spec and "parallelism" not in spec:
        spec["completions"] = 1
    spec.setdefault("parallelism", 1)
    spec.setdefault("backoffLimit", 6)
    spec.setdefault("completionMode", "NonIndexed")
    spec.setdefault("suspend", False)
    spec.setdefault(
        "podReplacementPolicy", "Failed" if spec.get("podFailurePolicy") else "TerminatingOrFailed"
    )
    for rule in parts(spec, "podFailurePolicy", "rules"):
        for pattern in parts(rule, "onPodConditions"):
            pattern.setdefault("status", "True")
    template = spec.setdefault("template", {})
    template.setdefault("metadata", {})
    pod = template.setdefault("spec", {})
    pod.setdefault("restartPolicy", "Always")
    _complete_pod(pod)
    item.setdefault("status", {})


def _metadata_faults(about: Object) -> Faults:
    name = about.get("name", "")
    if not _NAME.fullmatch(name):
        yield "metadata.name", f'Invalid value: "{name}": {_SUBDOMAIN}'
    if len(name) > _LONGEST_NAME:
        yield "metadata.name", f'Invalid value: "{name}": must be no more than {_LONGEST_NAME} characters'
    for key, value in part(about, "labels").items():
        if not _LABEL_KEY.fullmatch(key) or not isinstance(value, str) or not _LABEL.fullmatch(value):
            yield (
                "metadata.labels",
                f'Invalid value: "{key}={value}": a valid label must be 63 characters or less',
            )


def _job_faults(item: Object) -> Faults:
    spec, name = item["spec"], item["metadata"].get("name", "")
    if len(name) > _LONGEST_JOB_NAME:
        yield "metadata.name", f'Invalid value: "{name}": must be no more than {_LONGEST_JOB_NAME} characters'
    for key in (
        "backoffLimit",
        "parallelism",
        "completions",
        "activeDeadlineSeconds",
        "ttlSecondsAfterFinished",
    ):
        value = spec.get(key)
        if value is not None and (not isinstance(value, int) or value < 0):
            yield f"spec.{key}", f"Invalid value: {value}: must be greater than or equal to 0"
    policy = spec["template"]["spec"]["restartPolicy"]
    if policy not in {"Never", "OnFailure"}:
        supported = 'supported values: "OnFailure", "Never"'
        yield "spec.template.spec.restartPolicy", f'Required value: valid values: "{policy}": {supported}'
    if spec.get("podFailurePolicy"):
        if policy != "Never":
            message = (
                f'Invalid value: "{policy}": only "Never" is supported when podFailurePolicy is specified'
            )
            yield "spec.template.spec.restartPolicy", message
        if spec["podReplacementPolicy"] != "Failed":
            yield "spec.podReplacementPolicy", "may only be set to Failed when podFailurePolicy is used"
        yield from _policy_faults(spec["podFailurePolicy"])
    yield from _pod_faults(spec["template"]["spec"], "spec.template.spec")


def _policy_faults(policy: Object) -> Faults:
    for number, rule in enumerate(parts(policy, "rules")):
        path = f"spec.podFailurePolicy.rules[{number}]"
        if rule.get("action") not in {"FailJob", "Ignore", "Count", "FailIndex"}:
            yield f"{path}.action", f'Unsupported value: "{rule.get("action")}"'
        if bool(rule.get("onExitCodes")) == bool(rule.get("onPodConditions")):
            yield path, "Invalid value: specifying one of OnExitCodes and OnPodConditions is required"


def _pod_faults(spec: Object, path: str) -> Faults:
    if not spec.get("containers"):
        yield f"{path}.containers", _REQUIRED
    seen: set[str] = set()
    for kind in ("initContainers", "containers"):
        for number, container in enumerate(spec.get(kind) or ()):
            yield from _container_faults(container, f"{path}.{kind}[{number}]", seen)


def _container_faults(container: Object, path: str, seen: set[str]) -> Faults:
    name = container.get("name")
    if not name:
        yield f"{path}.name", _REQUIRED
    elif name in seen:
        yield f"{path}.name", f'Duplicate value: "{name}"'
    seen.add(name or "")
    if not container.get("image"):
        yield f"{path}.image", _REQUIRED
    for number, variable in enumerate(parts(container, "env")):
        if not variable.get("name"):
            yield f"{path}.env[{number}].name", _REQUIRED
        if variable.get("value") and variable.get("valueFrom"):
            yield f"{path}.env[{number}].valueFrom", "may not be specified when `value` is not empty"
    yield from _resource_faults(part(container, "resources"), f"{path}.resources")


def _resource_faults(resources: Object, path: str) -> Faults:
    limits: Mapping[str, Any] = part(resources, "limits")
    for name, amount in part(resources, "requests").items():
        if "/" in name and limits.get(name) != amount:
            yield f"{path}.requests.{name}", f"must be equal to {name} limit"


def _secret_faults(item: Object) -> Faults:
    size = 0
    for key, value in part(item, "data").items():
        try:
            size += len(base64.b64decode(value, validate=True))
        except (binascii.Error, TypeError):
            yield f"data[{key}]", "Invalid value: illegal base64 data"
    if size > _SECRET_BYTES:
        yield "data", f"Too long: must have at most {_SECRET_BYTES} bytes"
