"""The requests of docs/serving.md, answered by an exported model of the Taobao log."""

import ast
import base64
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from smt_features.prepare import prepare
from smt_features.reading import PrepareJob
from smt_model.config import TrainConfig
from smt_model.export import export_run
from smt_model.training import train
from smt_schemas import taobao

DOCS = Path(__file__).parents[2] / "docs" / "serving.md"

Json = dict[str, Any]


@pytest.fixture(scope="module")
def signatures(
    log_lines: Callable[..., list[str]], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """The signatures of a model that was trained on a few rows of the Taobao schema."""
    folder = tmp_path_factory.mktemp("taobao")
    (folder / "taobao_train_data").write_text("".join(f"{line}\n" for line in log_lines(300)))
    prepare(PrepareJob(folder, folder / "shards", taobao()))
    options: Json = {"steps": 20, "batch_size": 64, "evaluate": False}
    config = TrainConfig(data_location=str(folder), checkpoint=str(folder / "run"), **options)
    run, _ = train(config)
    export_run(run.path, folder / "1")
    return dict(tf.saved_model.load(str(folder / "1")).signatures)


def block(kind: str) -> str:
    """Return the code that follows a comment of the page."""
    found = re.search(rf"<!-- {kind} -->\n```\w+\n(.*?)```", DOCS.read_text("utf-8"), re.DOTALL)
    assert found, kind
    return found[1]


def tensors(function: Any, columns: dict[str, list[Any]]) -> dict[str, tf.Tensor]:
    specs = function.structured_input_signature[1]
    assert columns.keys() == specs.keys()
    return {name: tf.constant(values, specs[name].dtype) for name, values in columns.items()}


def rest(signatures: dict[str, Any], body: Json) -> Json:
    """Answer as TensorFlow Serving does: https://www.tensorflow.org/tfx/serving/api_rest."""
    function = signatures[body.get("signature_name", "serving_default")]
    if "inputs" in body:
        found = function(**tensors(function, body["inputs"]))
        return {"outputs": {name: value.numpy().tolist() for name, value in found.items()}}
    rows = [{name: undo_base64(value) for name, value in row.items()} for row in body["instances"]]
    found = function(**tensors(function, {name: [row[name] for row in rows] for name in rows[0]}))
    outputs = {name: value.numpy().tolist() for name, value in found.items()}
    return {"predictions": [{name: outputs[name][i] for name in outputs} for i in range(len(rows))]}


def undo_base64(value: Any) -> Any:
    return base64.b64decode(value["b64"]) if isinstance(value, dict) else value


def shape(value: Any) -> Any:
    """Return JSON with every number replaced, to compare forms."""
    if isinstance(value, dict):
        return {name: shape(part) for name, part in value.items()}
    return [shape(part) for part in value] if isinstance(value, list) else type(value)


@pytest.mark.parametrize("form", ["rows", "columns"])
def test_a_rest_request_is_answered_in_the_form_shown(
    form: str, signatures: dict[str, Any]
) -> None:
    answer = rest(signatures, json.loads(block(f"request: {form}")))
    assert shape(answer) == shape(json.loads(block(f"response: {form}")))


def test_all_three_requests_mean_the_same_rows(signatures: dict[str, Any]) -> None:
    rows, columns, hashed = (
        rest(signatures, json.loads(block(f"request: {form}")))
        for form in ("rows", "columns", "hashed")
    )
    for task in ("ctr", "cvr"):
        by_row = [row[task] for row in rows["predictions"]]
        assert by_row == columns["outputs"][task]
        assert by_row[0] != by_row[1]
        np.testing.assert_allclose(hashed["outputs"][task], by_row, rtol=0, atol=1e-6)


def test_base64_is_the_same_as_the_text(signatures: dict[str, Any]) -> None:
    body = json.loads(block("request: rows"))
    expected = rest(signatures, body)
    for row in body["instances"]:
        row["brand"] = {"b64": base64.b64encode(row["brand"].encode()).decode()}
    assert rest(signatures, body) == expected


class Service(prediction_service_pb2_grpc.PredictionServiceServicer):  # type: ignore[misc]
    """TensorFlow Serving's protocol in front of the signatures."""

    def __init__(self, signatures: dict[str, Any]) -> None:
        self._signatures = signatures

    def Predict(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's name
        inputs = {name: tf.make_ndarray(tensor) for name, tensor in request.inputs.items()}
        function = self._signatures[request.model_spec.signature_name]
        response = predict_pb2.PredictResponse()
        for name, value in function(**tensors(function, inputs)).items():
            response.outputs[name].CopyFrom(tf.make_tensor_proto(value))
        return response


@pytest.fixture
def port(signatures: dict[str, Any]) -> Iterator[int]:
    server = grpc.server(futures.ThreadPoolExecutor(1))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(Service(signatures), server)
    number = server.add_insecure_port("localhost:0")
    server.start()
    yield number
    server.stop(None).wait()


def test_the_grpc_client_of_the_page_gets_the_prediction(
    signatures: dict[str, Any], port: int
) -> None:
    code = block("client: grpc").replace("localhost:8500", f"localhost:{port}")
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    first = rest(signatures, json.loads(block("request: rows")))["predictions"][0]
    answer = {task: value for task, (value,) in ast.literal_eval(result.stdout).items()}
    assert answer == pytest.approx(first, abs=1e-6)
