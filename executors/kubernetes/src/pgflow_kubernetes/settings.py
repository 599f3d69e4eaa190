"""What an operator may set for a cluster, and what a step may ask of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

__all__ = ["KubernetesSettings", "KubernetesStepOptions"]

_QUANTITY: Final = r"^[0-9]+(\.[0-9]+)?(m|[kMGTPE]|[KMGTPE]i)?$"

Quantity = Annotated[str, StringConstraints(pattern=_QUANTITY)]
Label = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")]
EnvName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
MountPath = Annotated[str, StringConstraints(pattern=r"^/[^:]*$")]
Image = Annotated[str, StringConstraints(pattern=r"^[^\s]{1,512}$")]


class KubernetesSettings(BaseModel):
    """A namespace of a cluster whose [Jobs](../how-to/kubernetes.md) run steps; durations are seconds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    namespace: Label
    """Where Jobs are made: best one that holds nothing else."""
    image: Image | None = None
    """The image of steps that name none."""
    images: tuple[str, ...] = ()
    """Images that steps may name besides: patterns, `*` stands for anything."""
    kubeconfig: Path | None = None
    """Cluster and credentials; unless set, those of the pod that this runs in, or `~/.kube/config`."""
    context: str | None = None
    """The context of that file; its current one, unless set."""
    service_account: Label | None = None
    """The service account of pods whose step names none; the namespace's `default`, unless set."""
    service_accounts: tuple[str, ...] = ()
    """Service accounts that steps may name besides: patterns."""
    commands: tuple[str, ...] = ()
    """Commands that steps may bring: patterns of the words with a space between."""
    handlers: tuple[str, ...] | None = None
    """Handlers that pods may run: patterns; the modules of the image's working folder, unless set."""
    volume_types: tuple[str, ...] = ("configMap", "emptyDir", "ephemeral", "persistentVolumeClaim")
    """Volume sources that steps may use."""
    manifest_patches: bool = False
    """Let steps patch the manifest at will: whoever deploys flows then has the rights of this namespace."""
    template: dict[str, Any] = Field(default_factory=dict)
    """A part of a Job that all Jobs start from: resources, node selectors, annotations, sidecars."""
    credentials: Literal["secret", "env"] = "secret"
    """How envelope and token travel: in a Secret that goes with its Job, or as plain text."""
    gpu_resource: str = "nvidia.com/gpu"
    """What one `gpu` of a step is called in the cluster."""
    ttl: int = Field(default=3600, ge=60)
    """How long a finished Job stays, and its log with it."""
    pull_grace: float = Field(default=120.0, ge=0)
    """How long a pod may lack its image or a part of its configuration before its launch has failed."""
    installation: Label = "pgflow"
    """Tells the Jobs of this database from those of another in the same namespace."""
    max_jobs: int = Field(default=1000, ge=1)
    """Attempts that may be under way at once."""
    connect_timeout: float = Field(default=3.0, gt=0, le=20)
    """Time that a connection to the API server may take."""
    response_timeout: float = Field(default=10.0, gt=0, le=25)
    """Time that an answer of the API server may take."""
    watch: bool = True
    """Hear of the end of Jobs at once; without it they are looked at every `observe_every` seconds."""

    @field_validator("template")
    @classmethod
    def _of_a_job(cls, template: dict[str, Any]) -> dict[str, Any]:
        unknown = set(template) - {"metadata", "spec"}
        if unknown:
            raise ValueError(f"is a part of a Job, with metadata and spec, and knows no {min(unknown)!r}")
        return template


class KubernetesStepOptions(BaseModel):
    """What a step may ask for: `Job(memory="16Gi", gpu=1)`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    image: Image | None = None
    """What runs: `image` of the instance, or one of its `images`."""
    cpu: Annotated[float, Field(gt=0)] | Quantity | None = None
    """CPUs that are reserved, `0.5` or `"500m"`; more may be used if the node has them."""
    memory: Quantity | None = None
    """Memory that is reserved, and the limit, `"2Gi"`: what uses more is killed."""
    gpu: Annotated[int, Field(ge=1)] | None = None
    """Whole GPUs."""
    env: dict[EnvName, str] | None = None
    """Variables; none that begin with PGFLOW_, PYTHON or LD_."""
    service_account: Label | None = None
    """The pod's service account: the instance's, or one of its `service_accounts`."""
    node_selector: dict[str, str] | None = None
    """Labels that a node must have."""
    tolerations: list[dict[str, Any]] | None = None
    """Taints that a node may have, as Kubernetes writes tolerations."""
    volumes: dict[MountPath, dict[str, Any]] | None = None
    """Volume sources by mount path: `{"/data": {"persistentVolumeClaim": {"claimName": "data"}}}`."""
    command: Annotated[list[str], Field(min_length=1)] | None = None
    """What runs instead of `python -m pgflow.runtime`, if the instance's `commands` allow it."""
    envelope: Literal["env", "file", "stdin"] | None = None
    """How the pod reads its envelope: the variable PGFLOW_ENVELOPE, the file that PGFLOW_ENVELOPE_FILE names,
    or that file as standard input, for which the image needs `sh`; `"env"`, unless set."""
    manifest_patch: dict[str, Any] | None = None
    """Merged into the Job last, if the instance allows `manifest_patches`."""

    @field_validator("volumes")
    @classmethod
    def _one_source(cls, volumes: dict[str, dict[str, Any]] | None) -> dict[str, dict[str, Any]] | None:
        for path, source in (volumes or {}).items():
            if len(source) != 1 or not isinstance(next(iter(source.values())), dict):
                raise ValueError(f'{path} needs one source, such as {{"emptyDir": {{}}}}')
        return volumes
