"""The four findings as the front page says and shows them."""

import re
import shutil

import pandas as pd
import pytest
from test_findings import found

from deepcovid.report import front, redraw
from deepcovid.runs import RESULTS, ROOT
from deepcovid.study import Study

TEXT = (ROOT / "README.md").read_text()
TOLD, _, REST = TEXT.partition("<!-- findings")[2].partition("-->")[2].partition("<!--")
ROWS = [row.split(" | ") for row in REST.partition("-->")[0].strip().splitlines()]
# a width, the sensitivity that the paper gives, the earlier attempt's AUC: no results of ours
GIVEN = {"5%", "98%", "0.715"}


@pytest.mark.parametrize(("number", "path", "key"), ROWS, ids=[row[0] for row in ROWS])
def test_a_number_of_the_readme_is_that_of_its_file(number, path, key):
    value = found(path, key) * (100 if number.endswith("%") else 1)
    digits = number.strip("%")
    assert abs(value - float(digits)) <= 0.5 * 10 ** -len(digits.partition(".")[2]) + 1e-9


def test_each_number_of_the_four_findings_names_its_file():
    assert re.findall(r"^(\d)\. ", TOLD, re.MULTILINE) == ["1", "2", "3", "4"]
    assert {row[0] for row in ROWS} | GIVEN == {*re.findall(r"\d+(?:\.\d+)?%|\d+\.\d+", TOLD)}


def test_every_finding_has_its_plot_and_the_readme_shows_it():
    names = [name for name, _ in front.drawn(RESULTS)]
    assert names == [f"finding_{i}" for i in (1, 2, 3, 4)]
    assert re.findall(r"results/figures/(\w+)\.svg", TEXT) == names
    assert all((RESULTS / "figures" / f"{name}.svg").is_file() for name in names)
    assert set(names) <= {name for name, _ in redraw.drawn(RESULTS)}


def test_what_is_not_there_is_not_drawn(tmp_path):
    assert list(front.drawn(tmp_path)) == []
    shutil.copytree(RESULTS / "paper", tmp_path / "paper")
    shutil.rmtree(tmp_path / "paper" / "fair_test")
    assert [name for name, _ in front.drawn(tmp_path)] == ["finding_2", "finding_3"]


def labels(axis):
    return [text.get_text() for text in axis.get_yticklabels()]


def test_the_failed_recipe_stands_beside_each_single_change_of_it():
    figure = front.single_changes(pd.read_csv(RESULTS / "ablation.csv"))
    axis = figure.axes[0]
    widths = dict(zip(labels(axis), (bar.get_width() for bar in axis.patches), strict=True))
    assert set(widths) == {"the failed recipe", *front.CHANGES.values()}
    assert widths["the failed recipe"] == 0 and max(widths, key=widths.get) == "classes weighted"


def test_images_of_other_hospitals_are_drawn_where_they_were_judged():
    rows = pd.DataFrame([
        {"model": "resnet18", "seed": seed, "set": f"{name}, {source}", "quantity": quantity,
         "value": value + seed / 10, "low": 0.1, "high": 0.9, "images": 120, "patients": 31}
        for seed in (0, 1) for name, source, quantity, value in
        (("COVID-19", "A", "sensitivity", 0.5), ("Non-COVID", "B", "specificity", 0.3), ("both", "", "auc", 0.4))
    ])  # fmt: skip
    table = pd.read_csv(RESULTS / "paper" / "shortcuts.csv")
    assert len(front.shortcuts(table, pd.DataFrame(), None).axes) == 1
    axis = front.shortcuts(table, pd.DataFrame(), rows).axes[1]
    assert labels(axis) == ["ResNet18"]
    drawn = dict(zip(*reversed(axis.get_legend_handles_labels()), strict=True))
    found = {name: bars.lines[0].get_xdata()[0] for name, bars in drawn.items()}
    assert found == pytest.approx({
        "sensitivity, A (120 images, 31 patients)": 0.55,
        "specificity, B (120 images, 31 patients)": 0.35,
    })  # fmt: skip


def test_the_overview_has_the_numbers_of_each_finding_and_of_what_a_study_has():
    found = front.in_numbers(Study("results", {}))
    assert found.index.unique(0).tolist() == [1, 2, 3, 4]
    assert found.value[1, "COVID-19 images found: class weights"] == "63%"
    assert found.value[2, "ROC AUC"] == "0.9969, 0.9997, 0.9971; the paper: 0.989, 0.990, 0.992"
    assert found.value[2, "sensitivity, threshold from validation"] == "0.693, 0.930, 0.860"
    assert all((RESULTS / file).is_file() for file in found.file)
    for begins in front.REPEATED.values():
        assert all(found.index.get_level_values(1).str.startswith(begin).any() for begin in begins)


def test_each_network_stands_beside_itself_with_its_numbers_of_images():
    axis = front.same_collection(pd.read_csv(RESULTS / "paper" / "fair_test" / "swap.csv")).axes[0]
    names = labels(axis)
    assert names[0] == "ResNet18, 100 + 3,000" and names[3].startswith("ResNet18, 100 + ")
    low, high = axis.get_xlim()
    assert low < 0.5 and high > 1  # no end is cut
