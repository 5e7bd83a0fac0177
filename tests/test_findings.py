"""Each number in docs/findings.md is the one in the file that docs/sources.md names.

Those of ours in docs/related.md are numbers of the findings, or of a table of its own.
"""

import json
import re
from functools import cache

import pandas as pd
import pytest

from deepcovid.runs import ROOT

PROSE = (ROOT / "docs" / "findings.md").read_text()
TABLE = (ROOT / "docs" / "sources.md").read_text()
RELATED = (ROOT / "docs" / "related.md").read_text()
ROW = re.compile(
    r"^\| ([\d.,%+-]+) \| ([^|]+) \| \[`([^`]+)`\]\([^)]*\) \| `([^`]+)` \|$", re.MULTILINE
)
ROWS, MORE = ROW.findall(TABLE), ROW.findall(RELATED)


@cache
def table_of(path: str) -> pd.DataFrame:
    return pd.read_csv(ROOT / path, low_memory=False)


def found(path: str, key: str) -> float:
    """A value of a JSON file (`a.b.0`) or of a table (`column where a=x, b=y`, or `max column`)."""
    if path.endswith(".json"):
        value = json.loads((ROOT / path).read_text())
        for part in key.split("."):
            value = value[int(part) if isinstance(value, list) else part]
        return float(value)
    table = table_of(path)
    column, *conditions = re.split(r" where |; ", key)
    for condition in conditions:
        name, wanted = condition.split("=")
        table = table[table[name].astype(str).str.removesuffix(".0") == wanted]
    how, _, column = column.rpartition(" ")
    values = table[column]
    if how in ("max", "min", "mean"):
        return float(values.agg(how))
    assert values.nunique() == 1, f"{path}: {key} is not one value"
    return float(values.iloc[0])


def test_the_table_is_read_whole():
    rows = [line for line in TABLE.splitlines() if line.startswith("| ") and "`" in line]
    assert len(ROWS) == len(rows) > 20
    assert len(MORE) == RELATED.count("](../results/") > 0


@pytest.mark.parametrize(("number", "what", "path", "key"), ROWS + MORE)
def test_a_number_is_that_of_its_file(number, what, path, key):
    share = number.endswith("%")
    digits = number.strip("%+").replace(",", "")
    decimals = len(digits.partition(".")[2])
    value = found(path, key) * (100 if share else 1)
    assert abs(value - float(digits)) <= 0.5 * 10**-decimals + 1e-9, f"{value} in {path}"


# the earlier attempt's, the paper's, the aim's, a margin, a width and its area, chance, levels: not ours
GIVEN = {"0.715", "98%", "90%", "0.80", "0.65", "0.005", "5%", "19%", "50%", "95%"}


def test_each_number_of_the_text_is_in_the_table():
    known = {number.strip("+-") for number, *_ in ROWS} | GIVEN
    known |= {number.strip("%") for number in known if "." in number}  # a change in points
    assert set(re.findall(r"\d+\.\d+%?|\d+%", PROSE)) <= known


def test_our_numbers_beside_related_work_are_those_of_the_findings():
    cells = [line.split("|")[1:-1] for line in RELATED.splitlines() if line.startswith("| ")]
    ours = " ".join(cell[2] for cell in cells if len(cell) == 3)
    found = set(re.findall(r"\d+\.\d+|\d+(?=%)|(?<=\+)\d+", ours))
    assert len(found) > 20
    assert found - {"5"} <= {number.strip("%+-") for number, *_ in ROWS + MORE}  # 5: a width


def test_what_others_measured_is_what_the_article_cites():
    stated = pd.read_csv(ROOT / "article" / "stated.csv", dtype=str)
    for author in ("Teixeira", "Zech", "Roberts"):
        row = next(line for line in RELATED.splitlines() if line.startswith(f"| {author} "))
        values = stated[stated.source.str.startswith(author.lower())].value
        assert len(values) and all(v in row.replace(",", "") for v in values), author


def test_counts_of_what_is_not_shown_are_those_of_the_findings():
    page = (ROOT / "docs" / "not_shown.md").read_text()
    counts = set(re.findall(r"\b(\d+)(?= (?:and \d+ )?(?:images|patients|cases|negatives))", page))
    assert len(counts) > 5 and counts <= {number for number, *_ in ROWS}
