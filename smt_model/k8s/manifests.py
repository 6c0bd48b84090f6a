"""The manifests, as Kubernetes objects."""

import shlex
from collections.abc import Callable, Mapping

from smt_model.k8s.options import Kind, ManifestOptions
from smt_model.k8s.pod import Object, metadata, shell_pod, training_pod

RESTARTS = 3
"""How often a job begins again from its last checkpoint before it has failed."""


def tfjob(options: ManifestOptions) -> list[Object]:
    """Return a TFJob, kubeflow.org/v1, with the settings of DeepRec's manifests.

    Kubeflow's operator sets TF_CONFIG itself. Where there is a service mesh, its proxy would
    stand between the processes, hence the annotation.
    """
    replicas = {"Worker": options.workers, "PS": options.servers}
    specs = {}
    for name, count in replicas.items():
        if count:
            template = training_pod(options, name.lower())
            template["metadata"]["annotations"] = {"sidecar.istio.io/inject": "false"}
            specs[name] = {"replicas": count, "restartPolicy": "Never", "template": template}
    return [
        {
            "apiVersion": "kubeflow.org/v1",
            "kind": "TFJob",
            "metadata": metadata(options.job),
            "spec": {"runPolicy": {"cleanPodPolicy": "None"}, "tfReplicaSpecs": specs},
        }
    ]


def jobset_ps(options: ManifestOptions) -> list[Object]:
    """Return a JobSet of parameter servers and workers, the first of which is the chief.

    It has succeeded when the chief has. A worker that dies is replaced; when the chief or a
    parameter server dies, all begin again from the last checkpoint.
    """
    replicas = {"chief": 1, "ps": options.servers, "worker": options.workers - 1}
    policy = {"operator": "All", "targetReplicatedJobs": ["chief"]}
    return [_jobset(options, replicas, policy)]


def jobset_multi_worker(options: ManifestOptions) -> list[Object]:
    """Return a JobSet of workers that train in step; when one dies, all begin again."""
    return [_jobset(options, {"worker": options.workers}, {"operator": "All"})]


def indexed_job(options: ManifestOptions) -> list[Object]:
    """Return an Indexed Job of workers that train in step, and the Service that names them.

    Each worker that fails is replaced, and they go on from the last checkpoint.
    """
    environment = [
        _field("SMT_JOB", "metadata.labels['batch.kubernetes.io/job-name']"),
        {"name": "SMT_SERVICE", "value": options.job},
        {"name": "SMT_REPLICAS", "value": f"worker={options.workers}"},
    ]
    spec = _replaced(options.workers, training_pod(options, "worker", environment))
    spec["template"]["spec"]["subdomain"] = options.job
    service = {
        "clusterIP": "None",
        "publishNotReadyAddresses": True,  # workers wait for each other before they are ready
        "selector": {"batch.kubernetes.io/job-name": options.job},
    }
    return [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": metadata(options.job),
            "spec": service,
        },
        {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata(options.job), "spec": spec},
    ]


def prepare(options: ManifestOptions) -> list[Object]:
    """Return an Indexed Job that prepares parts, and the suspended Job that merges them."""
    parts = options.workers
    more = f" {shlex.join(options.arguments)}" if options.arguments else ""
    # Kubernetes counts indices from 0, parts count from 1.
    part = f"exec smt prepare data --part $((JOB_COMPLETION_INDEX + 1))/{parts}{more}"
    spec = _replaced(parts, shell_pod(options, part))  # a part can be run again at any time
    merge = {
        "suspend": True,
        "backoffLimit": RESTARTS,
        "template": shell_pod(options, f"exec smt prepare data --merge {parts}{more}"),
    }
    return [
        {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata(f"{options.job}-{name}")}
        | {"spec": job}
        for name, job in (("parts", spec), ("merge", merge))
    ]


def _jobset(options: ManifestOptions, pods: Mapping[str, int], success: Object) -> Object:
    replicas = {role: count for role, count in pods.items() if count}
    environment = [
        _field("JOBSET_NAME", "metadata.labels['jobset.sigs.k8s.io/jobset-name']"),
        _field("REPLICATED_JOB_NAME", "metadata.labels['jobset.sigs.k8s.io/replicatedjob-name']"),
        {"name": "SMT_SERVICE", "value": options.job},
        {
            "name": "SMT_REPLICAS",
            "value": ",".join(f"{role}={count}" for role, count in replicas.items()),
        },
    ]
    jobs = []
    for role, count in replicas.items():
        replaced = role == "worker" and "chief" in replicas
        make = _replaced if replaced else _indexed
        spec = make(count, training_pod(options, role, environment))
        jobs.append({"name": role, "replicas": 1, "template": {"spec": spec}})
    return {
        "apiVersion": "jobset.x-k8s.io/v1alpha2",
        "kind": "JobSet",
        "metadata": metadata(options.job),
        "spec": {
            "network": {"enableDNSHostnames": True, "subdomain": options.job},
            "successPolicy": success,
            "failurePolicy": {"maxRestarts": RESTARTS},
            "replicatedJobs": jobs,
        },
    }


def _replaced(count: int, template: Object) -> Object:
    """Return a Job whose pods are replaced when they fail, each for itself.

    With a limit for all, Kubernetes would wait twice as long for every pod that failed before,
    up to ten minutes, which is more than the others wait for one.
    """
    spec = _indexed(count, template)
    del spec["backoffLimit"]
    return {"backoffLimitPerIndex": RESTARTS, "maxFailedIndexes": 0, **spec}


def _indexed(count: int, template: Object) -> Object:
    return {
        "completionMode": "Indexed",
        "completions": count,
        "parallelism": count,
        "backoffLimit": 0,
        "template": template,
    }


def _field(name: str, path: str) -> Object:
    return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}


MANIFESTS: Mapping[Kind, Callable[[ManifestOptions], list[Object]]] = {
    "tfjob": tfjob,
    "jobset-ps": jobset_ps,
    "jobset-multi-worker": jobset_multi_worker,
    "indexed-job": indexed_job,
    "prepare": prepare,
}
