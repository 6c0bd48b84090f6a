"""What the pods of all manifests have in common.

Fields and their meaning: Kubernetes API reference, PodTemplateSpec (core/v1).
"""

from collections.abc import Sequence
from typing import Any

from smt_model.k8s.options import ManifestOptions

Object = dict[str, Any]
"""A Kubernetes object, or a part of one."""

MOUNT = "/pvc"
"""Where pods see the claim: `smt` runs there, so that raw files and shards are in /pvc/data."""

LAUNCH = ("python", "/opt/smt/launch.py")
"""``distribute_k8s/launch.py``, in the image."""

ROLE_LABEL = "replica-type"
"""Tells the roles of pods apart, under the name that DeepRec's manifests use."""

_USER = 1000
_CORES: Object = {"resourceFieldRef": {"resource": "requests.cpu"}}


def metadata(name: str) -> Object:
    """Return the name and the labels of an object."""
    return {"name": name, "labels": {"app.kubernetes.io/name": "smt"}}


def training_pod(options: ManifestOptions, role: str, environment: Sequence[Object] = ()) -> Object:
    """Return the template of a pod that trains in a role (``worker``, ``ps``, ``chief``).

    Pods of a role are spread over the nodes where that is possible.
    """
    # The training operator looks for a container of this name.
    container = _container("tensorflow", options) | {
        "command": list(LAUNCH),
        "args": training_arguments(options),
        "env": [*environment, *_training_environment()],
    }
    template = pod_template(options, container, role)
    return {
        "metadata": template["metadata"],
        "spec": {"affinity": {"podAntiAffinity": _apart(role)}, **template["spec"]},
    }


def shell_pod(options: ManifestOptions, script: str) -> Object:
    """Return the template of a pod that runs a line of shell."""
    container = _container("prepare", options) | {
        "command": ["sh", "-c", script],
        "env": [{"name": "POLARS_MAX_THREADS", "valueFrom": _CORES}],
    }
    return pod_template(options, container, "prepare")


def pod_template(options: ManifestOptions, container: Object, role: str) -> Object:
    """Return a pod that runs a container without privileges, with the claim mounted."""
    return {
        "metadata": {"labels": {"app.kubernetes.io/name": "smt", ROLE_LABEL: role}},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            # The first process of a container would not be ended by SIGTERM before it asks for it.
            "shareProcessNamespace": True,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": _USER,
                "runAsGroup": _USER,
                "fsGroup": _USER,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [container],
            "volumes": [{"name": "storage", "persistentVolumeClaim": {"claimName": options.claim}}],
        },
    }


def training_arguments(options: ManifestOptions) -> list[str]:
    """Return the arguments of ``launch.py``.

    A TFJob gets those of DeepRec's page. The others are restarted, so that their run has a fixed
    directory and checkpoints on the way, from which it goes on.
    """
    if options.kind == "tfjob":
        arguments = [f"--output_dir={MOUNT}", "--protocol=grpc", "--inter=8", "--intra=8"]
    else:
        arguments = [f"--checkpoint={MOUNT}/result/{options.job}", "--save-steps=1000"]
    if options.servers:
        arguments += ["--input_layer_partitioner=8", "--dense_layer_partitioner=16"]
    return [*arguments, *(["--bf16"] if options.bf16 else []), *options.arguments]


def _container(name: str, options: ManifestOptions) -> Object:
    return {
        "name": name,
        "image": options.image,
        "workingDir": MOUNT,
        "resources": {
            "requests": {"cpu": str(options.cpu), "memory": options.memory},
            "limits": {"memory": options.memory},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "storage", "mountPath": MOUNT}],
    }


def _training_environment() -> list[Object]:
    given = {
        "MEM_USAGE_STRATEGY": "251",
        "START_STATISTIC_STEP": "100",
        "STOP_STATISTIC_STEP": "110",
    }
    return [
        *({"name": name, "value": value} for name, value in given.items()),
        {"name": "SMT_CPUS", "valueFrom": _CORES},
    ]


def _apart(role: str) -> Object:
    expression = {"key": ROLE_LABEL, "operator": "In", "values": [role]}
    term = {
        "labelSelector": {"matchExpressions": [expression]},
        "topologyKey": "kubernetes.io/hostname",
    }
    return {
        "preferredDuringSchedulingIgnoredDuringExecution": [
            {"weight": 100, "podAffinityTerm": term}
        ]
    }
