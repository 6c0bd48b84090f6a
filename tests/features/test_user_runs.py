"""A user's neighbouring rows are found, whatever the texts."""

from itertools import groupby

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from smt_features.user_runs import user_runs
from smt_schemas import DatasetSchema

LONG = "a text of more than twelve bytes"


def schema_of(roles: dict[str, str]) -> DatasetSchema:
    columns = [
        {"name": name, "role": role, "hash_buckets": 10, "embedding_dim": 4}
        for name, role in roles.items()
    ]
    return DatasetSchema.model_validate(
        {"name": "log", "splits": {"train": "log"}, "columns": columns}
    )


SCHEMA = schema_of({"pid": "item", "user_id": "user", "group": "user"})
texts = st.sampled_from(["1", "2", "", "\0", LONG, LONG + "!"])


@given(st.lists(st.tuples(texts, texts, texts), max_size=20))
def test_neighbours_are_one_run_while_all_columns_of_the_user_are_equal(
    rows: list[tuple[str, str, str]],
) -> None:
    names = [column.name for column in SCHEMA.columns]
    cells = pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String), orient="row")

    runs = user_runs(cells, SCHEMA)

    expected = [(key, len(list(group))) for key, group in groupby(row[1:] for row in rows)]
    assert runs.cells.rows() == [key for key, _ in expected]
    assert runs.lengths.tolist() == [length for _, length in expected]
    assert runs.positions.to_list() == [
        run for run, (_, length) in enumerate(expected) for _ in range(length)
    ]


def test_a_log_without_users_has_no_runs() -> None:
    runs = user_runs(pl.DataFrame({"pid": ["a", "b"]}), schema_of({"pid": "item"}))

    assert runs.cells.shape == (0, 0)
    assert runs.lengths.tolist() == []
