"""`smt synth`."""

import json
from pathlib import Path

from typer.testing import CliRunner

from smt_cli.main import app


def test_json_tells_what_was_written(tmp_path: Path) -> None:
    arguments = ["synth", str(tmp_path), "--rows", "500", "--probabilities", "--json"]

    result = json.loads(CliRunner().invoke(app, arguments).output)

    assert {name: split["rows"] for name, split in result.items()} == {"train": 400, "test": 100}
    for split in result.values():
        lines = Path(split["path"]).read_text().splitlines()
        assert split["clicks"] == sum(line.startswith("1,") for line in lines)
        assert Path(split["probabilities"]).is_file()


def test_report_names_files_and_the_best_auc(tmp_path: Path) -> None:
    output = CliRunner().invoke(app, ["synth", str(tmp_path), "--rows", "3000"]).output

    assert str(tmp_path / "taobao_train_data") in output
    assert "Best attainable click AUC on the test split: 0." in output


def test_one_class_leaves_the_best_auc_undefined(tmp_path: Path) -> None:
    output = CliRunner().invoke(app, ["synth", str(tmp_path), "--rows", "2"]).output

    assert "undefined" in output
