"""Rendered manifests, held against the schemas of Kubernetes, Kubeflow and JobSet."""

import json
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import typer
import yaml
from kubeflow.training import ApiClient
from kubeflow.training.models import KubeflowOrgV1TFJob
from kubeflow_trainer_api.models.jobset_v1alpha2_job_set import JobsetV1alpha2JobSet

from smt_cli.deeprec import rewrite
from smt_cli.main import app
from smt_model.k8s.options import ManifestOptions, manifest_options
from smt_model.k8s.render import command, render
from smt_schemas import UsageError

Object = dict[str, Any]

FOLDER = Path(__file__).resolve().parents[2] / "distribute_k8s"
FILES = sorted(FOLDER.glob("*.yaml"))
OLDEST, NEWEST = "1.29", "1.37"
"""Versions of Kubernetes: the first whose Jobs may limit failures by index, and the last known."""

VARIANTS: list[Object] = [
    {"kind": "tfjob"},
    {"kind": "tfjob", "ps": 0, "bf16": True},
    {"kind": "jobset-ps", "name": "a-b", "workers": 1, "ps": 1},
    {"kind": "jobset-multi-worker", "claim": "my.claim", "cpu": 16, "memory": "512Mi"},
    {"kind": "indexed-job", "image": "host:5000/smt@sha256:ab"},
    {"kind": "prepare", "workers": 3, "arguments": ("--keys", "--schema", "my schema.toml")},
]


def objects(**options: Any) -> list[Object]:
    return list(yaml.safe_load_all(render(manifest_options(**options))))


@pytest.fixture(params=VARIANTS, ids=lambda variant: "-".join(map(str, variant.values())))
def rendered(request: pytest.FixtureRequest) -> list[Object]:
    return objects(**request.param)


def pods(document: Object) -> Iterator[Object]:
    """Yield every pod template in an object."""
    for key, value in document.items():
        if key == "template" and "containers" in value.get("spec", {}):
            yield value
        for entry in value if isinstance(value, list) else [value]:
            if isinstance(entry, dict):
                yield from pods(entry)


class Response:
    def __init__(self, document: Object) -> None:
        self.data = json.dumps(document)


def read_back(document: Object) -> Any:
    """Return what the models of a resource's API keep of it: unknown fields are lost."""
    if document["kind"] == "JobSet":
        model = JobsetV1alpha2JobSet.from_dict(document)
        assert model is not None
        return model.to_dict()
    client = ApiClient()
    job = client.deserialize(Response(document), KubeflowOrgV1TFJob)
    return client.sanitize_for_serialization(job)


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_core_objects_and_all_pods_are_valid(rendered: list[Object], version: str) -> None:
    core = [item for item in rendered if item["apiVersion"] in ("v1", "batch/v1")]
    templates = [template for item in rendered for template in pods(item)]
    named = {"apiVersion": "v1", "kind": "PodTemplate", "metadata": {"name": "pod"}}

    for document in [*core, *(named | {"template": template} for template in templates)]:
        kubernetes_validate.validate(document, version, strict=True)
    assert templates


def test_an_unknown_field_would_be_noticed() -> None:
    job = objects(kind="prepare")[0]
    job["spec"]["colour"] = "red"
    with pytest.raises(kubernetes_validate.ValidationError, match="colour"):
        kubernetes_validate.validate(job, NEWEST, strict=True)

    jobset = objects(kind="jobset-ps")[0]
    jobset["spec"]["network"]["colour"] = "red"
    assert read_back(jobset) != jobset

    tfjob = objects(kind="tfjob")[0]
    tfjob["spec"]["cleanPodPolicy"] = "None"  # where DeepRec's manifests have it
    assert read_back(tfjob) != tfjob


def test_custom_resources_hold_what_their_api_knows() -> None:
    for variant in VARIANTS[:4]:
        [document] = objects(**variant)
        assert read_back(document) == document


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_files_are_what_their_first_line_writes(path: Path, smt: Callable[..., Any]) -> None:
    text = path.read_text(encoding="utf-8")
    program, *arguments = shlex.split(text.splitlines()[0].removeprefix("# "))

    outcome = smt(*arguments)

    assert program == "smt"
    assert (outcome.code, outcome.out) == (0, text)


def test_there_is_a_file_for_each_kind() -> None:
    kinds = {yaml.safe_load_all(path.read_text()).__next__()["kind"] for path in FILES}
    assert [path.name for path in FILES] == [
        "distribute_k8s_BF16.yaml",
        "distribute_k8s_FP32.yaml",
        "indexed_job_mwms.yaml",
        "jobset_mwms.yaml",
        "jobset_ps.yaml",
        "prepare_indexed_job.yaml",
    ]
    assert kinds == {"TFJob", "JobSet", "Service", "Job"}


@pytest.mark.parametrize(("name", "more"), [("FP32", []), ("BF16", ["--bf16"])])
def test_the_tfjobs_have_the_settings_of_deeprecs_page(name: str, more: list[str]) -> None:
    job = yaml.safe_load((FOLDER / f"distribute_k8s_{name}.yaml").read_text())

    assert (job["apiVersion"], job["kind"]) == ("kubeflow.org/v1", "TFJob")
    assert job["metadata"]["name"] == "trainer"
    assert job["spec"]["runPolicy"] == {"cleanPodPolicy": "None"}
    replicas = job["spec"]["tfReplicaSpecs"]
    assert {role: spec["replicas"] for role, spec in replicas.items()} == {"Worker": 10, "PS": 4}
    for role, spec in replicas.items():
        pod = spec["template"]["spec"]
        [container] = pod["containers"]
        assert spec["restartPolicy"] == "Never"
        assert container["name"] == "tensorflow"
        assert container["args"] == [
            *("--output_dir=/pvc", "--protocol=grpc", "--inter=8", "--intra=8"),
            *("--input_layer_partitioner=8", "--dense_layer_partitioner=16"),
            *more,
        ]
        [volume] = pod["volumes"]
        assert volume["persistentVolumeClaim"] == {"claimName": "deeprec"}
        assert container["volumeMounts"] == [{"name": volume["name"], "mountPath": "/pvc"}]
        [apart] = pod["affinity"]["podAntiAffinity"][
            "preferredDuringSchedulingIgnoredDuringExecution"
        ]
        [expression] = apart["podAffinityTerm"]["labelSelector"]["matchExpressions"]
        assert expression == {"key": "replica-type", "operator": "In", "values": [role.lower()]}
        assert spec["template"]["metadata"]["labels"]["replica-type"] == role.lower()


def test_pods_have_no_privileges_and_no_secrets(rendered: list[Object]) -> None:
    for document in rendered:
        for template in pods(document):
            pod = template["spec"]
            assert pod["securityContext"]["runAsNonRoot"] is True
            assert pod["automountServiceAccountToken"] is False
            [container] = pod["containers"]
            assert container["securityContext"]["allowPrivilegeEscalation"] is False
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
            assert all("secret" not in str(entry).lower() for entry in container["env"])


def test_a_tfjob_without_parameter_servers_has_workers_only() -> None:
    [job] = objects(ps=0)
    [container] = job["spec"]["tfReplicaSpecs"]["Worker"]["template"]["spec"]["containers"]
    assert list(job["spec"]["tfReplicaSpecs"]) == ["Worker"]
    assert not any("partitioner" in argument for argument in container["args"])


def test_a_jobset_ends_with_its_chief_and_replaces_its_workers_only() -> None:
    [job] = objects(kind="jobset-ps", workers=5, ps=2)
    jobs = {entry["name"]: entry["template"]["spec"] for entry in job["spec"]["replicatedJobs"]}
    assert {role: spec["completions"] for role, spec in jobs.items()} == {
        "chief": 1,  # which trains, too
        "ps": 2,
        "worker": 4,
    }
    assert job["spec"]["successPolicy"]["targetReplicatedJobs"] == ["chief"]
    assert (jobs["chief"]["backoffLimit"], jobs["ps"]["backoffLimit"]) == (0, 0)
    assert "backoffLimit" not in jobs["worker"]
    assert jobs["worker"]["backoffLimitPerIndex"] > 0


def test_arguments_after_the_options_reach_the_programs() -> None:
    parts, merge = objects(kind="prepare", workers=3, arguments=("--schema", "my schema.toml"))
    [container] = parts["spec"]["template"]["spec"]["containers"]
    assert container["command"][2] == (
        "exec smt prepare data --part $((JOB_COMPLETION_INDEX + 1))/3 --schema 'my schema.toml'"
    )
    [container] = merge["spec"]["template"]["spec"]["containers"]
    assert container["command"][2] == "exec smt prepare data --merge 3 --schema 'my schema.toml'"

    [job] = objects(kind="jobset-multi-worker", arguments=("--epochs", "2"))
    [template] = pods(job)
    assert template["spec"]["containers"][0]["args"][-2:] == ["--epochs", "2"]


def test_the_first_line_gives_the_options_again() -> None:
    options = ManifestOptions(kind="jobset-ps", bf16=True, workers=3, arguments=("--a", "b c"))
    line = "smt k8s render --kind jobset-ps --workers 3 --bf16 -- --a 'b c'"
    assert command(options) == line
    assert render(options).splitlines()[0] == f"# {line}"


@pytest.mark.parametrize("kind", ["tfjob", "jobset-ps", "jobset-multi-worker", "indexed-job"])
def test_smt_train_knows_all_arguments(kind: str) -> None:
    *_, document = objects(kind=kind, bf16=True)
    group = typer.main.get_command(app)
    assert isinstance(group, typer.core.TyperGroup)
    train = group.commands["train"]
    for template in pods(document):
        [container] = template["spec"]["containers"]
        arguments = rewrite(["train", *container["args"]])[1:]

        options = train.make_context("train", arguments).params

        assert options["bf16"] is True


@pytest.mark.parametrize("kind", ["jobset-multi-worker", "indexed-job", "prepare"])
def test_servers_of_a_job_that_has_none_are_refused(kind: str) -> None:
    with pytest.raises(UsageError, match=f"{kind} has no parameter servers"):
        manifest_options(kind=kind, ps=2)
