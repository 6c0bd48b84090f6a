"""taobao.toml is the table of the design."""

from smt_schemas import taobao

# Name, role, buckets, as the design lists them.
TABLE = [
    ("clk", "label", None),
    ("buy", "label", None),
    ("pid", "item", 10),
    ("adgroup_id", "item", 100_000),
    ("cate_id", "item", 10_000),
    ("campaign_id", "item", 100_000),
    ("customer", "item", 100_000),
    ("brand", "item", 100_000),
    ("user_id", "user", 100_000),
    ("cms_segid", "user", 100),
    ("cms_group_id", "user", 100),
    ("final_gender_code", "user", 10),
    ("age_level", "user", 10),
    ("pvalue_level", "user", 10),
    ("shopping_level", "user", 10),
    ("occupation", "user", 10),
    ("new_user_class_level", "user", 10),
    ("tag_category_list", "user", 100_000),
    ("tag_brand_list", "user", 100_000),
    ("price", "item", 50),
]


def test_columns_roles_and_buckets_are_those_of_the_design() -> None:
    columns = [(column.name, column.role, column.hash_buckets) for column in taobao().columns]

    assert columns == TABLE


def test_every_feature_is_hashed_and_sixteen_wide() -> None:
    assert {(column.dim, column.encoding) for column in taobao().features} == {(16, "hash")}


def test_tasks_are_ctr_on_clicks_and_cvr_on_buys() -> None:
    assert taobao().tasks == {"ctr": "clk", "cvr": "buy"}


def test_tag_lists_are_split_at_pipes() -> None:
    lists = {column.name: column.separator for column in taobao().columns if column.is_list}

    assert lists == {"tag_category_list": "|", "tag_brand_list": "|"}


def test_files_are_comma_separated_without_header() -> None:
    schema = taobao()

    assert (schema.csv.separator, schema.csv.header) == (",", False)
    assert schema.splits == {"train": "taobao_train_data", "test": "taobao_test_data"}
    assert schema.user_column == "user_id"


def test_null_and_ranges_are_those_of_the_real_file() -> None:
    columns = {column.name: column for column in taobao().columns}

    assert columns["brand"].null_tokens == ["NULL"]
    assert (columns["price"].type, columns["price"].required) == ("int", True)
    assert (columns["price"].minimum, columns["price"].maximum) == (0, 49)
    assert [columns[label].allowed for label in ("clk", "buy")] == [[0, 1], [0, 1]]
