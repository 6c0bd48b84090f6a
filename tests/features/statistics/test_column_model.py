"""Documents of columns whose figures do not fit together are refused."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from smt_features import Dataset
from smt_features.statistics.files import STATISTICS_NAME
from smt_features.statistics.model import Statistics
from smt_schemas import UserError

Column = dict[str, Any]


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda column: column.pop("recommendation"), "hashing and recommendation"),
        (lambda column: column.pop("hashing"), "hashing and recommendation"),
        (lambda column: column["top"][0]["rates"].pop("buy"), "different labels"),
    ],
)
def test_figures_that_do_not_fit_together_are_refused(
    damage: Callable[[Column], object],
    reason: str,
    prepared: Callable[..., Dataset],
    log_lines: Callable[..., list[str]],
) -> None:
    directory = prepared(log_lines(40)).directory
    document = json.loads((directory / STATISTICS_NAME).read_text())
    columns = {column["name"]: column for column in document["splits"]["train"]["columns"]}
    damage(columns["adgroup_id"])
    (directory / STATISTICS_NAME).write_text(json.dumps(document))

    with pytest.raises(UserError, match=rf"no valid statistics[\s\S]*{reason}"):
        Statistics.read(directory)
