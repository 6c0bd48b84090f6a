import gzip
import json
from pathlib import Path

import pytest
from tensorflow.tsl.profiler.protobuf import xplane_pb2

from smt_model.config import TrainConfig
from smt_model.timeline import traced
from smt_model.training import train
from smt_schemas import UserError


def test_every_so_many_steps_are_traced_for_tensorboard_and_perfetto(
    dataset: Path, tmp_path: Path
) -> None:
    options = {"steps": 20, "batch_size": 64, "timeline": 8}
    train(
        TrainConfig.from_options(
            data_location=str(dataset), checkpoint=str(tmp_path), evaluate=False, **options
        )
    )

    names = {path.name for path in (tmp_path / "timeline").iterdir()}
    steps = ("step-0000000008", "step-0000000016")
    assert names == {*steps, *(f"{step}.trace.json.gz" for step in steps)}
    for step in steps:
        # TensorBoard's profile plugin looks for plugins/profile/<time>/<host>.xplane.pb.
        (profile,) = (tmp_path / "timeline" / step).glob("plugins/profile/*/*.xplane.pb")
        planes = xplane_pb2.XSpace.FromString(profile.read_bytes()).planes
        assert any("CPU" in plane.name and plane.lines for plane in planes)
        packed = (tmp_path / "timeline" / f"{step}.trace.json.gz").read_bytes()
        trace = json.loads(gzip.decompress(packed))["traceEvents"]
        complete = [event for event in trace if event.get("ph") == "X"]
        assert all(event["dur"] >= 0 and event["ts"] >= 0 for event in complete)
        # The towers' products and the scatter of the update, as operations of the graph.
        operations = {event["name"] for event in complete}
        assert any("MatMul" in name for name in operations)
        assert any("ScatterUpdate" in name for name in operations)


def test_an_error_in_the_block_is_not_taken_for_one_of_the_trace(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), traced(tmp_path, 1):
        1 / 0  # noqa: B018 - the error is what it is for
    with traced(tmp_path, 2):  # the profiler was stopped
        pass
    assert (tmp_path / "timeline" / "step-0000000002.trace.json.gz").exists()


def test_a_timeline_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "timeline").write_text("")
    with pytest.raises(UserError, match="Cannot write the timeline"), traced(tmp_path, 1):
        pass


def test_a_step_that_is_traced_again_replaces_its_trace(tmp_path: Path) -> None:
    folder = tmp_path / "timeline"
    with traced(tmp_path, 3):
        pass
    (earlier,) = folder.glob("*/plugins/profile/*")
    earlier.rename(earlier.with_name("2020_01_01_00_00_00"))

    with traced(tmp_path, 3):  # a run that was killed after this step went on before it
        pass

    assert len(list(folder.rglob("*.xplane.pb"))) == 1
    packed = (folder / "step-0000000003.trace.json.gz").read_bytes()
    assert "traceEvents" in json.loads(gzip.decompress(packed))
