"""The page of the statistics, in a real browser where there is one."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from smt_features import Dataset
from smt_features.statistics.model import Statistics
from smt_features.statistics.page import render, write_page
from smt_schemas import DatasetSchema, UserError

HOSTILE = '<img src=x onerror="document.title=1"><script>document.title=1</script>'

CONTRAST = """
// Relative luminance and contrast of WCAG 2, of every text that stands on a plain colour.
function parse(color) { return color.match(/[\\d.]+/g).map(Number); }
function luminance([r, g, b]) {
  const part = (c) => { c /= 255; return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; };
  return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
}
function ground(element) {
  for (; element; element = element.parentElement) {
    const color = parse(getComputedStyle(element).backgroundColor);
    if (color.length === 3 || color[3] === 1) return color;
  }
  return [255, 255, 255];
}
let worst = [99, ""];
for (const element of document.querySelectorAll("body *")) {
  if (![...element.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim())) continue;
  if (!element.checkVisibility()) continue;
  const inSvg = element.closest("svg");
  const style = getComputedStyle(element);
  const text = luminance(parse(inSvg ? style.fill : style.color));
  const back = luminance(ground(inSvg ? inSvg.parentElement : element));
  const ratio = (Math.max(text, back) + 0.05) / (Math.min(text, back) + 0.05);
  if (ratio < worst[0]) worst = [ratio, element.outerHTML.slice(0, 120)];
}
return worst;
"""


@pytest.fixture(scope="module")
def statistics(
    tmp_path_factory: pytest.TempPathFactory,
    prepared_in: Callable[..., Dataset],
    log_lines: Callable[..., list[str]],
) -> Statistics:
    folder = tmp_path_factory.mktemp("page")
    dataset = prepared_in(folder, log_lines(400), log_lines(120, seed=3))
    return Statistics.read(dataset.directory)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory, statistics: Statistics) -> Path:
    path = tmp_path_factory.mktemp("page") / "statistics.html"
    write_page(statistics, path, title="some log")
    return path


def test_the_page_needs_nothing_but_itself(page: Path) -> None:
    text = page.read_text(encoding="utf-8")

    assert not re.findall(r'(?:src|href)="(?!#)|@import|url\(', text)
    assert "default-src 'none'" in text


def test_values_are_escaped(prepared: Callable[..., Dataset]) -> None:
    size = {"hash_buckets": 5, "embedding_dim": 4}
    columns = [{"name": "text", "role": "item", **size}]
    parts: dict[str, Any] = {"name": "log", "splits": {"train": "log", "test": "log_test"}}
    schema = DatasetSchema.model_validate(parts | {"columns": columns})
    quoted = '"' + HOSTILE.replace('"', '""') + '"'
    dataset = prepared([quoted, "\x1b[31m"], ["b"], schema=schema)

    text = render(Statistics.read(dataset.directory), title=HOSTILE)

    assert "<img" not in text
    assert text.count("<script>") == 1
    assert "\x1b" not in text


def test_a_column_without_values_and_a_log_without_labels_have_a_page(
    prepared: Callable[..., Dataset], log_schema: Callable[..., DatasetSchema]
) -> None:
    dataset = prepared([",x", ",y"], [",z"], schema=log_schema("empty", "full"))

    text = render(Statistics.read(dataset.directory), title="")

    assert 'id="train-empty"' in text
    assert "not measured" in text


def test_the_page_of_one_column_is_that_part_of_the_whole_page(statistics: Statistics) -> None:
    def rates_of_price(text: str) -> list[str]:
        [part] = re.findall(r'<details id="train-price".*?</details>', text, re.DOTALL)
        return re.findall(r'<svg class="rate".*?</svg>', part, re.DOTALL)

    whole = render(statistics, title="")
    alone = render(statistics.select(column="price"), title="")

    assert len(rates_of_price(whole)) == 20
    assert rates_of_price(alone) == rates_of_price(whole)


def test_without_an_overall_rate_the_plot_has_no_line_for_it(statistics: Statistics) -> None:
    train = statistics.splits["train"].model_copy(update={"label_combinations": []})

    text = render(statistics.model_copy(update={"splits": {"train": train}}), title="")

    assert '<svg class="rate"' in text
    assert '<line class="overall"' not in text


def test_a_page_that_cannot_be_written_is_an_error(statistics: Statistics, tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(UserError, match=r"Cannot write .*page\.html"):
        write_page(statistics, tmp_path / "file" / "page.html", title="")


def test_no_script_fails_and_nothing_is_fetched(window: Any, page: Path) -> None:
    window.log()

    window.open(page)

    assert window.log() == []
    fetched = window.run("return performance.getEntriesByType('resource').map((e) => e.name)")
    assert fetched == []


def test_a_click_sorts_the_table_and_another_turns_it_round(
    window: Any, page: Path, statistics: Statistics
) -> None:
    window.open(page)
    header = "#split-train thead th:nth-child(3)"
    distinct = [column.distinct for column in statistics.splits["train"].columns]

    for direction, order in (("descending", -1), ("ascending", 1)):
        window.click(f"{header} button")
        assert window.run(f"return document.querySelector('{header}').ariaSort") == direction
        shown = window.run(
            "return [...document.querySelectorAll('#split-train table')[0].tBodies[0].rows]"
            ".map((row) => row.cells[2].textContent)"
        )
        assert [int(text.replace(",", "")) for text in shown] == sorted(
            distinct, key=lambda number: order * number
        )


def test_the_table_is_sorted_from_the_keyboard(window: Any, page: Path) -> None:
    window.open(page)
    window.run("document.querySelector('#split-train thead button').focus()")

    window.press("\ue007")  # the Enter key of the protocol

    names = window.run(
        "return [...document.querySelectorAll('#split-train table')[0].tBodies[0].rows]"
        ".map((row) => row.cells[0].textContent)"
    )
    assert len(names) == 20
    assert names == sorted(names, key=str.lower)


def test_every_feature_has_its_plots_and_every_plot_a_text(window: Any, page: Path) -> None:
    window.open(page)

    for name, plots in (("clk", 1), ("price", 3), ("brand", 2), ("tag_brand_list", 2)):
        window.run(f"location.hash = '#train-{name}'")
        found = window.run(
            f"return [...document.querySelectorAll('#train-{name} svg.plot')].map("
            "(svg) => [svg.getBoundingClientRect().height, svg.ariaLabel])"
        )
        assert len(found) == plots
        assert all(height > 100 and text for height, text in found)
    assert window.run("return document.querySelectorAll('#train-price rect.shared').length") > 3


def test_tabs_show_one_part_and_the_filter_few_columns(window: Any, page: Path) -> None:
    window.open(page)
    shown = "return [...document.querySelectorAll('main > section')].map((part) => !part.hidden)"
    assert window.run(shown) == [True, False, False]

    window.click("nav a:nth-of-type(3)")
    assert window.run(shown) == [False, False, True]
    window.click("#filter")
    window.press("Brand")

    rows = "#drift-test tr[data-column]:not([hidden]) th"
    names = window.run(f"return [...document.querySelectorAll('{rows}')].map((h) => h.textContent)")
    assert names == ["brand", "tag_brand_list"]


def test_a_split_may_have_any_name(window: Any, statistics: Statistics, tmp_path: Path) -> None:
    train, test = statistics.splits.values()
    renamed = statistics.model_copy(update={"splits": {"prüfung": train, "тест": test}})
    write_page(renamed, tmp_path / "page.html", title="")
    window.log()

    window.open(tmp_path / "page.html", "#тест-price")

    assert window.log() == []
    shown = "return [...document.querySelectorAll('main > section')].map((part) => !part.hidden)"
    assert window.run(shown) == [False, True, False]
    assert window.run("return document.getElementById('тест-price').open")
    window.click("nav a:nth-of-type(1)")
    assert window.run(shown) == [True, False, False]


def test_the_theme_follows_the_system_until_it_is_chosen(window: Any, page: Path) -> None:
    paper = "return getComputedStyle(document.body).backgroundColor"
    window.open(page)
    window.prefer("light")
    light = window.run(paper)
    window.prefer("dark")
    dark = window.run(paper)

    window.click("#theme")

    assert light != dark
    assert window.run(paper) == light


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("part", ["#train-price", "#drift-test-brand"])
def test_every_text_has_the_contrast_that_wcag_asks_for(
    window: Any, page: Path, scheme: str, part: str
) -> None:
    window.prefer(scheme)
    window.open(page, part)
    window.run("document.querySelectorAll('details').forEach((d) => { d.open = true; })")

    ratio, where = window.run(CONTRAST)

    assert 4.5 <= ratio < 21, where


def test_a_narrow_screen_scrolls_tables_and_not_the_page(window: Any, page: Path) -> None:
    window.prefer("light", width=390)
    window.open(page)

    width = window.run("return document.documentElement.scrollWidth")

    assert width <= 390
