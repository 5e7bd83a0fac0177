"""The four findings as the front page says and shows them."""

import re

import pytest
from test_findings import found

from deepcovid.runs import ROOT

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


def test_every_finding_links_its_plot():
    for text in (TEXT, (ROOT / "docs" / "findings.md").read_text()):
        shown = re.findall(r"results/figures/(\w+)\.svg", text)
        assert shown == ["single_changes", "operating_points", "shortcuts", "swap"]
