"""Synthetic logs: form, reproducibility, known probabilities, likeness to the real rows."""

from pathlib import Path

import polars as pl
import pytest

from smt_features.lock import locked
from smt_features.synth import synthesize
from smt_schemas import UsageError, UserError, explain, row_model, taobao

REAL = Path(__file__).resolve().parents[3] / "shared" / "data" / "taobao"
ROWS = 40_000
NAMES = [column.name for column in taobao().columns]


def read(path: Path) -> pl.DataFrame:
    frame = pl.read_csv(path, has_header=False, new_columns=NAMES, infer_schema=False)
    return frame.with_columns(pl.all().fill_null(""))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("synth")
    synthesize(path, ROWS, seed=3, probabilities=True)
    return path


@pytest.fixture(scope="module")
def train(folder: Path) -> pl.DataFrame:
    return read(folder / "taobao_train_data")


@pytest.fixture(scope="module")
def test(folder: Path) -> pl.DataFrame:
    return read(folder / "taobao_test_data")


def test_rows_are_split_by_fraction_and_by_user(train: pl.DataFrame, test: pl.DataFrame) -> None:
    assert (len(train), len(test)) == (32_000, 8_000)
    assert not set(train["user_id"]) & set(test["user_id"])


def test_every_row_is_valid(test: pl.DataFrame) -> None:
    model = row_model(taobao())

    problems = [explain(model, row) for row in test.iter_rows(named=True)]

    assert not any(problems)


def test_users_are_adjacent_and_sorted_as_text(train: pl.DataFrame) -> None:
    users = train["user_id"].rle().struct.field("value").to_list()

    assert users == sorted(set(users))


def test_attributes_of_an_ad_and_of_a_user_are_functional(train: pl.DataFrame) -> None:
    ad = ["cate_id", "campaign_id", "customer", "brand", "price"]
    user = NAMES[9:17]

    assert train.group_by("adgroup_id").agg(pl.col(ad).n_unique().max()).select(ad).max().row(
        0
    ) == (1,) * len(ad)
    assert train.group_by("user_id").agg(pl.col(user).n_unique()).select(user).max().row(0) == (
        1,
    ) * len(user)
    assert train.group_by("campaign_id").agg(pl.col("customer").n_unique())["customer"].max() == 1


def test_buys_are_clicks_and_both_lists_have_one_length(train: pl.DataFrame) -> None:
    assert train.filter(pl.col("buy") == "1", pl.col("clk") == "0").is_empty()
    lengths = [
        train[name].str.split("|").list.len() for name in ("tag_category_list", "tag_brand_list")
    ]
    assert lengths[0].equals(lengths[1])


def test_same_seed_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    synthesize(tmp_path, ROWS, seed=3, probabilities=True)

    for path in folder.iterdir():
        assert (tmp_path / path.name).read_bytes() == path.read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in folder.iterdir()}


def test_another_seed_gives_other_rows(folder: Path, tmp_path: Path) -> None:
    synthesize(tmp_path, ROWS, seed=4)

    assert (tmp_path / "taobao_test_data").read_bytes() != (
        folder / "taobao_test_data"
    ).read_bytes()


def test_probabilities_belong_to_the_rows(folder: Path, train: pl.DataFrame) -> None:
    known = pl.read_parquet(folder / "probabilities_train.parquet")
    click = train["clk"].cast(pl.Int8)
    probability = known["click_probability"].cast(pl.Float64)

    assert known["line"].equals(pl.Series("line", range(1, len(train) + 1)))
    assert (known["buy_probability"] < known["click_probability"]).all()
    deviation = float((probability * (1 - probability)).sum()) ** 0.5
    assert abs(int(click.sum()) - float(probability.sum())) < 4 * deviation
    # In each tenth of the rows, by probability, clicks agree with the expected number.
    ranked = pl.DataFrame({"clk": click, "p": probability}).sort("p")
    for part in ranked.iter_slices(len(train) // 10):
        expected = float(part["p"].sum())
        assert abs(int(part["clk"].sum()) - expected) < 4.5 * expected**0.5


def test_best_auc_is_that_of_the_probabilities(tmp_path: Path) -> None:
    report = synthesize(tmp_path, 3_000, probabilities=True)[1]
    click = read(report.path)["clk"] == "1"
    assert report.probabilities is not None
    probability = pl.read_parquet(report.probabilities)["click_probability"]

    positives = probability.filter(click).to_list()
    negatives = probability.filter(~click).to_list()
    wins = sum((p > n) + 0.5 * (p == n) for p in positives for n in negatives)

    assert report.clicks == len(positives)
    assert report.best_auc == pytest.approx(wins / len(positives) / len(negatives), abs=1e-4)


@pytest.mark.parametrize("rows", [2, 3, 50])
def test_small_logs_have_all_their_rows(tmp_path: Path, rows: int) -> None:
    report = synthesize(tmp_path, rows)

    assert sum(split.rows for split in report) == rows
    assert all(split.path.read_bytes().count(b"\n") == split.rows for split in report)


def test_existing_files_are_kept_unless_told(tmp_path: Path) -> None:
    (tmp_path / "taobao_test_data").write_text("mine")

    with pytest.raises(UserError, match="--overwrite"):
        synthesize(tmp_path, 10)

    assert (tmp_path / "taobao_test_data").read_text() == "mine"
    synthesize(tmp_path, 10, overwrite=True)
    assert (tmp_path / "taobao_test_data").read_text() != "mine"


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        (1, {}, "at least 2 rows"),
        (10, {"seed": -1}, "--seed"),
        (10, {"test_fraction": 1.0}, "--test-fraction"),
    ],
)
def test_impossible_requests_are_usage_errors(
    tmp_path: Path, rows: int, options: dict[str, float], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        synthesize(tmp_path, rows, **options)  # type: ignore[arg-type]


def test_probabilities_of_replaced_rows_do_not_stay(tmp_path: Path) -> None:
    synthesize(tmp_path, 10, probabilities=True)

    synthesize(tmp_path, 10, seed=1, overwrite=True)

    assert not list(tmp_path.glob("probabilities_*"))


def test_probabilities_stay_until_their_rows_are_replaced(tmp_path: Path) -> None:
    def interrupt(_split: str, _done: int, _total: int) -> None:
        raise KeyboardInterrupt

    synthesize(tmp_path, 10, probabilities=True)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    with pytest.raises(KeyboardInterrupt):
        synthesize(tmp_path, 10, seed=1, overwrite=True, progress=interrupt)

    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("probabilities_train.parquet", "Cannot write .*/probabilities_train.parquet: Is a dir"),
        ("taobao_train_data", "/taobao_train_data is a folder. Give a file"),
    ],
)
def test_a_folder_in_a_files_place_is_an_error(name: str, words: str, tmp_path: Path) -> None:
    (tmp_path / name).mkdir()

    with pytest.raises(UserError, match=words):
        synthesize(tmp_path, 10, overwrite=True)

    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(UserError, match="Cannot write"):
        synthesize(tmp_path / "file" / "below", 10)


def test_an_interrupted_run_leaves_no_files(tmp_path: Path) -> None:
    def interrupt(_split: str, _done: int, _total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        synthesize(tmp_path, 100, probabilities=True, progress=interrupt)

    assert list(tmp_path.iterdir()) == []


def marginals(frame: pl.DataFrame) -> dict[str, float]:
    """Figures of a log that do not depend on its size."""
    tags = frame.filter(pl.col("tag_category_list") != "").select(
        pl.col("cate_id", "brand"),
        category=pl.col("tag_category_list").str.split("|"),
        tag_brand=pl.col("tag_brand_list").str.split("|"),
    )
    length = tags["category"].list.len()
    runs = tags.select(
        pl.col("category", "tag_brand").list.eval(pl.element().rle().len()).list.first()
    )
    previous = frame.filter(pl.col("user_id") == pl.col("user_id").shift()).height
    same = frame.filter(
        pl.col("user_id") == pl.col("user_id").shift(),
        pl.col("tag_category_list") == pl.col("tag_category_list").shift(),
    ).height
    shares = {
        "clk": frame["clk"] == "1",
        "main pid": frame["pid"] == "430548_1007",
        "top category": frame["cate_id"] == "6261",
        "no brand": frame["brand"] == "NULL",
        "no profile": frame["cms_segid"] == "",
        "segment 0": frame["cms_segid"] == "0",
        "no pvalue": frame["pvalue_level"] == "",
        "no class": frame["new_user_class_level"] == "",
        "female": frame["final_gender_code"] == "2",
        "age 3": frame["age_level"] == "3",
        "shopping 3": frame["shopping_level"] == "3",
        "no tags": frame["tag_category_list"] == "",
        "cut off": length == 50,
        "category in tags": tags["category"].list.contains(tags["cate_id"]),
        "brand in tags": tags["tag_brand"].list.contains(tags["brand"]),
    }
    result = {name: float(series.cast(pl.Float64).mean()) for name, series in shares.items()}  # type: ignore[arg-type]
    result["same list as before"] = same / previous
    result["mean price"] = frame["price"].cast(pl.Float64).mean() / 49  # type: ignore[operator,assignment]
    for quantile in (0.25, 0.5):
        result[f"length {quantile}"] = float(length.quantile(quantile) or 0) / 50
    result["mean length"] = float(length.mean()) / 50  # type: ignore[arg-type]
    counts = {
        "category runs": runs["category"],
        "brand runs": runs["tag_brand"],
        "distinct categories": tags["category"].list.n_unique(),
        "distinct brands": tags["tag_brand"].list.n_unique(),
    }
    result |= {name: float(series.mean()) / 10 for name, series in counts.items()}  # type: ignore[arg-type]
    result["bytes"] = (
        float(frame.select(pl.sum_horizontal(pl.all().str.len_bytes()) + 20).mean().item()) / 1000
    )
    return result


@pytest.mark.skipif(not REAL.is_dir(), reason="needs the real rows, ../shared/data/taobao")
def test_marginals_resemble_the_real_rows(train: pl.DataFrame) -> None:
    real = marginals(pl.concat(read(REAL / f"taobao_{split}_data") for split in ("train", "test")))

    synthetic = marginals(train)

    for name, wanted in real.items():
        assert synthetic[name] == pytest.approx(wanted, abs=0.07), name


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "taobao_train_data.tmp").mkdir()  # where the rows are written first

    with pytest.raises(UserError, match="Cannot write .*taobao_train_data"):
        synthesize(tmp_path, 100, seed=0)


def test_two_runs_do_not_write_one_folder(tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(UserError, match="is being written by process"):
        synthesize(tmp_path, 100, seed=0)
