"""Every row of the table of failures: what is seen of a Job and its pods, and what it means."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pgflow.executor import Phase
from pgflow_kubernetes.diagnosis import diagnose
from pgflow_kubernetes.pods import pod_of

from .support import NOW, condition, ended, make_job, make_pod, waiting

GRACE = timedelta(seconds=120)
LIVE = make_job()
FAILED = make_job(condition("Failed", "BackoffLimitExceeded", "has reached the limit"))
PENDING, RUNNING, OK, ERROR = Phase.PENDING, Phase.RUNNING, Phase.EXITED_OK, Phase.EXITED_ERROR

ROWS = {
    "gone": (None, [], Phase.NOT_FOUND, None, None),
    "suspended": (make_job(suspend=True), [], PENDING, None, None),
    "no pod yet": (LIVE, [], PENDING, None, None),
    "pod without status": (LIVE, [make_pod("Pending")], PENDING, None, None),
    "creating": (LIVE, [make_pod("Pending", waiting("ContainerCreating"))], PENDING, None, None),
    "unscheduled": (
        LIVE,
        [
            make_pod(
                "Pending", None, condition("PodScheduled", "Unschedulable", "0/3 nodes", "False"), age=900
            )
        ],
        PENDING,
        None,
        False,
    ),
    "pulling fails": (LIVE, [make_pod("Pending", waiting("ErrImagePull"), age=60)], PENDING, None, False),
    "pulling failed": (
        LIVE,
        [make_pod("Pending", waiting("ImagePullBackOff"), age=120)],
        ERROR,
        "IMAGE_UNAVAILABLE",
        False,
    ),
    "pulling is limited": (
        LIVE,
        [make_pod("Pending", waiting("ErrImagePull", "pull QPS exceeded"), age=900)],
        PENDING,
        None,
        None,
    ),
    "bad image name": (
        LIVE,
        [make_pod("Pending", waiting("InvalidImageName"))],
        ERROR,
        "IMAGE_UNAVAILABLE",
        False,
    ),
    "missing secret": (
        LIVE,
        [make_pod("Pending", waiting("CreateContainerConfigError", 'secret "x" not found'), age=120)],
        ERROR,
        "CONFIG_MISSING",
        False,
    ),
    "init waits": (
        LIVE,
        [make_pod("Pending", waiting("PodInitializing"), init=waiting("ImagePullBackOff"), age=120)],
        ERROR,
        "IMAGE_UNAVAILABLE",
        False,
    ),
    "init failed": (
        FAILED,
        [make_pod("Failed", waiting("PodInitializing"), init=ended(2))],
        ERROR,
        "INIT_FAILED",
        False,
    ),
    "running": (LIVE, [make_pod("Running", {"running": {}})], RUNNING, None, True),
    "running, deleted": (LIVE, [make_pod("Running", {"running": {}}, age=9)], RUNNING, None, True),
    "side-car left, ok": (LIVE, [make_pod("Running", ended(0, "Completed"))], OK, None, True),
    "side-car left, failed": (LIVE, [make_pod("Running", ended(3))], ERROR, "EXIT_CODE", True),
    "pod done": (LIVE, [make_pod("Succeeded", ended(0, "Completed"))], OK, None, True),
    "job done": (make_job(condition("Complete")), [], OK, None, True),
    "job nearly done": (make_job(condition("SuccessCriteriaMet")), [], PENDING, None, None),
    "job was not complete": (make_job(condition("Complete", status="False")), [], PENDING, None, None),
    "exit code": (FAILED, [make_pod("Failed", ended(3))], ERROR, "EXIT_CODE", True),
    "exit code before the job knows": (LIVE, [make_pod("Failed", ended(3))], ERROR, "EXIT_CODE", True),
    "out of memory": (FAILED, [make_pod("Failed", ended(137, "OOMKilled"))], ERROR, "OUT_OF_MEMORY", True),
    "137": (FAILED, [make_pod("Failed", ended(137))], ERROR, "KILLED", True),
    "no such command": (FAILED, [make_pod("Failed", ended(128, "StartError"))], ERROR, "CANNOT_START", False),
    "preempted": (
        make_job(condition("Failed", "PodFailurePolicy")),
        [make_pod("Failed", ended(143), condition("DisruptionTarget", "PreemptionByScheduler"))],
        ERROR,
        "DISRUPTED",
        True,
    ),
    "preempted before it ran": (
        make_job(condition("Failed", "PodFailurePolicy")),
        [make_pod("Failed", None, condition("DisruptionTarget", "EvictionByEvictionAPI"))],
        ERROR,
        "DISRUPTED",
        False,
    ),
    "disruption, pod gone": (make_job(condition("Failed", "PodFailurePolicy")), [], ERROR, "DISRUPTED", None),
    "evicted by the kubelet": (
        FAILED,
        [make_pod("Failed", ended(137), reason="Evicted", message="low on memory")],
        ERROR,
        "EVICTED",
        True,
    ),
    "node shut down": (FAILED, [make_pod("Failed", None, reason="NodeShutdown")], ERROR, "DISRUPTED", False),
    "pod deadline": (FAILED, [make_pod("Failed", None, reason="DeadlineExceeded")], ERROR, "TIMEOUT", False),
    "job deadline": (make_job(condition("Failed", "DeadlineExceeded")), [], ERROR, "TIMEOUT", None),
    "job deadline, pod ran": (
        make_job(condition("Failed", "DeadlineExceeded")),
        [make_pod("Running", {"running": {}})],
        ERROR,
        "TIMEOUT",
        True,
    ),
    "pod deleted": (FAILED, [], ERROR, "POD_LOST", None),
    "pod being deleted": (FAILED, [make_pod("Running", {"running": {}})], ERROR, "POD_LOST", True),
    "failed and mute": (FAILED, [make_pod("Failed")], ERROR, "POD_LOST", False),
    "its node knows no container": (
        FAILED,
        [make_pod("Failed", ended(137, "ContainerStatusUnknown"))],
        ERROR,
        "POD_LOST",
        True,
    ),
    "a side-car that was an init container ended after it": (
        FAILED,
        [make_pod("Failed", ended(3), init=ended(143))],
        ERROR,
        "EXIT_CODE",
        True,
    ),
}


TIMED = make_job(age=100, deadline=90)
"""Its deadline passed ten seconds ago."""

IN_TIME = make_job(age=100, deadline=3600)
GOING = make_job(condition("FailureTarget", "DeadlineExceeded"), age=100, deadline=90)


def limit(age, deadline=90):
    """A Job that took the pod which it had killed for one that failed."""
    failed = condition("Failed", "BackoffLimitExceeded", age=age)
    return make_job(failed, age=100, deadline=deadline)


SIGTERM, RUNS = ended(143, age=8), {"running": {}}
DISRUPTED = condition("DisruptionTarget", "DeletionByTaintManager")

# Kubernetes deletes a pod, then its container ends, then the pod is gone; the Job's verdict comes at any
# time after the deletion, and may be a wrong one.
STOPPED = {
    "deadline, pod ends": (TIMED, [make_pod("Running", RUNS, deleted=9)], RUNNING, None, True),
    "deadline, pod killed": (TIMED, [make_pod("Failed", SIGTERM, deleted=9)], ERROR, "TIMEOUT", True),
    "deadline, pod killed, Job is about to fail": (
        GOING,
        [make_pod("Failed", SIGTERM, deleted=9)],
        ERROR,
        "TIMEOUT",
        True,
    ),
    "deadline, container killed": (
        TIMED,
        [make_pod("Running", ended(137, age=8), deleted=9)],
        ERROR,
        "TIMEOUT",
        True,
    ),
    "deadline, it heeds SIGTERM": (
        TIMED,
        [make_pod("Succeeded", ended(0, age=8), deleted=9)],
        ERROR,
        "TIMEOUT",
        True,
    ),
    "deadline, to the second": (
        TIMED,
        [make_pod("Failed", ended(143, age=10), deleted=10)],
        ERROR,
        "TIMEOUT",
        True,
    ),
    "deadline, pod gone": (TIMED, [], PENDING, None, None),
    "deadline, wrong verdict, pod killed": (
        limit(8),
        [make_pod("Failed", SIGTERM, deleted=9)],
        ERROR,
        "TIMEOUT",
        True,
    ),
    "deadline, wrong verdict, pod ends": (
        limit(8),
        [make_pod("Running", RUNS, deleted=9)],
        ERROR,
        "TIMEOUT",
        True,
    ),
    "deadline, wrong verdict, pod gone": (limit(8), [], ERROR, "TIMEOUT", None),
    "failed by itself before the deadline": (
        limit(11),
        [make_pod("Failed", ended(3, age=12))],
        ERROR,
        "EXIT_CODE",
        True,
    ),
    "failed by itself after the deadline, and was not deleted": (
        TIMED,
        [make_pod("Failed", ended(3, age=8))],
        ERROR,
        "EXIT_CODE",
        True,
    ),
    "failed by itself, deleted later": (
        limit(11),
        [make_pod("Failed", ended(3, age=12), deleted=5)],
        ERROR,
        "EXIT_CODE",
        True,
    ),
    "out of memory, deleted later": (
        IN_TIME,
        [make_pod("Failed", ended(137, "OOMKilled", age=12), deleted=5)],
        ERROR,
        "OUT_OF_MEMORY",
        True,
    ),
    "init failed, deleted later": (
        IN_TIME,
        [make_pod("Failed", waiting("PodInitializing"), init=ended(2, age=12), deleted=5)],
        ERROR,
        "INIT_FAILED",
        False,
    ),
    "deleted by somebody, ends": (IN_TIME, [make_pod("Running", RUNS, deleted=9)], RUNNING, None, True),
    "deleted by somebody, killed": (IN_TIME, [make_pod("Failed", SIGTERM, deleted=9)], RUNNING, None, True),
    "deleted by somebody, heeded SIGTERM": (
        IN_TIME,
        [make_pod("Succeeded", ended(0, age=8), deleted=9)],
        RUNNING,
        None,
        True,
    ),
    "deleted by somebody, gone": (IN_TIME, [], PENDING, None, None),
    "deleted by somebody, Job failed": (
        limit(8, 3600),
        [make_pod("Failed", SIGTERM, deleted=9)],
        ERROR,
        "POD_LOST",
        True,
    ),
    "deleted by somebody, Job failed, gone": (limit(8, 3600), [], ERROR, "POD_LOST", None),
    "deleted before it ran": (
        IN_TIME,
        [make_pod("Pending", waiting("ContainerCreating"), deleted=9)],
        PENDING,
        None,
        None,
    ),
    "disrupted, ends": (IN_TIME, [make_pod("Running", RUNS, DISRUPTED, deleted=9)], RUNNING, None, True),
    "disrupted, killed": (
        IN_TIME,
        [make_pod("Failed", SIGTERM, DISRUPTED, deleted=9)],
        ERROR,
        "DISRUPTED",
        True,
    ),
    "evicted, deleted later": (
        IN_TIME,
        [make_pod("Failed", SIGTERM, reason="Evicted", deleted=5)],
        ERROR,
        "EVICTED",
        True,
    ),
    "node lost: deleted, and there for ever": (
        IN_TIME,
        [make_pod("Running", RUNS, deleted=90)],
        ERROR,
        "POD_LOST",
        True,
    ),
    "node lost: disrupted, and there for ever": (
        IN_TIME,
        [make_pod("Running", RUNS, DISRUPTED, deleted=90)],
        ERROR,
        "DISRUPTED",
        True,
    ),
    "no verdict though the pod was killed long ago": (
        IN_TIME,
        [make_pod("Failed", SIGTERM, deleted=90)],
        ERROR,
        "POD_LOST",
        True,
    ),
}


@pytest.mark.parametrize("row", [*ROWS.values(), *STOPPED.values()], ids=[*ROWS, *STOPPED])
def test_what_is_seen_means_one_thing(row):
    job, pods, phase, code, started = row
    found = diagnose(job, pods, now=NOW, grace=GRACE)
    assert (found.phase, found.code, found.started) == (phase, code, started)


DETAILS = [
    (FAILED, make_pod("Failed", ended(139)), "exit code 139: killed by signal 11"),
    (FAILED, make_pod("Failed", ended(1)), "exit code 1"),
    (FAILED, make_pod("Failed", ended(128, "StartError", "no such file")), "StartError: no such file"),
    (LIVE, make_pod("Pending", waiting("ErrImagePull", "not found")), "ErrImagePull: not found"),
    (LIVE, make_pod("Pending", waiting("ErrImagePull")), "ErrImagePull"),
]


@pytest.mark.parametrize(("job", "pod", "said"), DETAILS)
def test_the_detail_says_what_kubernetes_said(job, pod, said):
    assert diagnose(job, [pod], now=NOW, grace=GRACE).detail == said


def test_a_job_without_a_pod_says_why():
    found = diagnose(LIVE, [], now=NOW, grace=GRACE, events='pods "x" is forbidden: exceeded quota')
    assert found.detail == 'the Job has no pod yet: pods "x" is forbidden: exceeded quota'


def test_the_latest_pod_counts():
    old, new = (
        make_pod("Failed", ended(1), age=60, name="old"),
        make_pod("Running", {"running": {}}, name="new"),
    )
    assert pod_of([new, old]) is new
    assert diagnose(LIVE, [old, new], now=NOW, grace=GRACE).phase is RUNNING
