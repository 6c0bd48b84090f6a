"""The page of an evaluation: complete, self-contained, well formed."""

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from smt_model.evaluation import evaluate_run
from smt_model.html_report import html_report
from smt_model.predictions import Predictions
from smt_model.report import evaluate_predictions
from smt_schemas import UserError

CAPTIONS = ["ROC", "Precision and recall", "Calibration", "Lift by decile"]


def page(labels: dict[str, Any], users: Any = None, title: str = "A run") -> str:
    chance = np.random.default_rng(0)
    rows = len(next(iter(labels.values())))
    logits = chance.normal(size=(rows, len(labels))).astype(np.float32)
    predictions = Predictions(
        {task: np.asarray(values, np.int8) for task, values in labels.items()}, logits, users
    )
    return html_report(title, evaluate_predictions("test", 7, *predictions), predictions)


def cells(html: str, row: str) -> list[str]:
    found = re.search(rf'<th scope="row">{row}</th>(.*?)</tr>', html)
    assert found
    return re.findall("<td>(.*?)</td>", found[1])


class Balanced(HTMLParser):
    """Raises unless every element is closed, in turn."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_of_a_run_shows_the_metrics_and_four_charts_a_task(
    trained: Path, dataset: Path, tmp_path: Path
) -> None:
    result = evaluate_run(trained, dataset, "test", html=tmp_path / "report.html")
    html = (tmp_path / "report.html").read_text("utf-8")
    assert "<h1>Evaluation of run</h1>" in html
    assert re.findall("<figcaption>(.*?)</figcaption>", html) == CAPTIONS * 2
    assert cells(html, "AUC") == [f"{task.auc:.4f}" for task in result.tasks.values()]
    assert cells(html, "GAUC by impressions") == [f"{t.gauc:.4f}" for t in result.tasks.values()]
    for interval, task in zip(cells(html, "95% interval"), result.tasks.values(), strict=True):
        low, high = map(float, interval.split(" to "))
        assert task.auc is not None
        assert low < task.auc < high


def test_the_page_is_well_formed_and_asks_nothing_of_the_network() -> None:
    labels = {"ctr": np.arange(50) % 3 == 0, "cvr": np.arange(50) % 5 == 0}
    html = page(labels, np.arange(50, dtype=np.int32) % 7)
    parser = Balanced()
    parser.feed(html)
    assert parser.open == []
    assert not re.search(r"<script|<link|<img|https?:|url\(|@import", html)
    for svg in re.findall("<svg.*?</svg>", html, re.DOTALL):
        numbers = re.findall(r"nan|inf", ElementTree.tostring(ElementTree.fromstring(svg)).decode())
        assert numbers == []


def test_a_task_of_one_class_is_undefined_in_words() -> None:
    html = page({"ctr": [0, 1, 0, 1], "cvr": [0, 0, 0, 0]})
    assert re.findall("<figcaption>(.*?)</figcaption>", html) == CAPTIONS
    assert "Undefined: without a positive and a negative row" in html
    assert cells(html, "AUC")[1] == "undefined"
    assert cells(html, "95% interval")[1] == "undefined"
    assert cells(html, "GAUC by positives") == ["undefined", "undefined"]


def test_text_from_outside_cannot_become_markup() -> None:
    html = page({"ctr": [0, 1]}, title="<script>alert(1)</script>")
    assert "<script" not in html


def test_an_unwritable_page_is_a_message(trained: Path, dataset: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="Cannot write"):
        evaluate_run(trained, dataset, "test", html=tmp_path / "file" / "report.html")
