"""The four findings as the front page says and shows them."""

import re
import shutil

import pytest
from test_findings import found

from deepcovid.report import drawn, front
from deepcovid.runs import RESULTS, ROOT

TEXT = (ROOT / "README.md").read_text()
TOLD, _, REST = TEXT.partition("<!-- findings")[2].partition("-->")[2].partition("<!--")
ROWS = [row.split(" | ") for row in REST.partition("-->")[0].strip().splitlines()]
# the earlier attempt's and a width: no results of ours
GIVEN = {"5%"}


@pytest.mark.parametrize(("number", "path", "key"), ROWS, ids=[row[0] for row in ROWS])
def test_a_number_of_the_readme_is_that_of_its_file(number, path, key):
    value = found(path, key) * (100 if number.endswith("%") else 1)
    digits = number.strip("%")
    assert abs(value - float(digits)) <= 0.5 * 10 ** -len(digits.partition(".")[2]) + 1e-9


def test_each_number_of_the_four_findings_names_its_file():
    assert re.findall(r"^(\d)\. ", TOLD, re.MULTILINE) == ["1", "2", "3", "4"]
    assert {row[0] for row in ROWS} | GIVEN == {*re.findall(r"\d+\.\d+|\d+%", TOLD)}


def test_every_finding_has_its_plot_and_the_readme_shows_it():
    names = [name for name, _ in front.drawn(RESULTS)]
    assert names == [f"finding_{i}" for i in (1, 2, 3, 4)]
    assert re.findall(r"results/figures/(\w+)\.svg", TEXT) == names
    assert all((RESULTS / "figures" / f"{name}.svg").is_file() for name in names)
    assert set(names) <= {name for name, _ in drawn.drawn(RESULTS)}


def test_what_is_not_there_is_not_drawn(tmp_path):
    assert list(front.drawn(tmp_path)) == []
    shutil.copytree(RESULTS / "paper", tmp_path / "paper")
    (tmp_path / "paper" / "external.json").unlink()
    assert [name for name, _ in front.drawn(tmp_path)] == ["finding_2", "finding_3"]
