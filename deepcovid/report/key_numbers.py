"""The numbers that each notebook ends with, and notebook 00 repeats: what `key_numbers.yaml` asks for."""

import re
from collections.abc import Iterator
from contextlib import suppress
from functools import reduce
from itertools import permutations
from pathlib import Path

import pandas as pd
import yaml

from deepcovid.failure import design
from deepcovid.metrics.published import NETWORKS
from deepcovid.study import Study

GROUPS = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text("utf-8"))
FINDINGS = {"06": 1, "04": 2, "07": 3, "08": 4}  # of the overview, by notebook
# what a word of a table is called here: networks, and the ablation's factors and changes of level
CALLED = NETWORKS | design.FACTOR | {
    f"{old} -> {new}": f"from {levels[old]} to {levels[new]}"
    for levels in design.NAMES.values() for old, new in permutations(levels, 2)
}  # fmt: skip
COLUMNS = ["finding", "value (range)", "95% interval", "n", "file"]


def overview(here: Study, **tables) -> pd.DataFrame:
    """The numbers of the four findings; of what a study lacks no rows."""
    found = {number: key_numbers(here, name, True, **tables) for name, number in FINDINGS.items()}
    return pd.concat(found, names=["", "finding"])


def key_numbers(here: Study, notebook: str, overview: bool = False, **tables) -> pd.DataFrame:
    """A notebook's numbers, each with its n and file; `overview`: only those that notebook 00 repeats.

    `tables` are those that rows name, which the notebook has computed.
    """
    rows = []
    for row in (group | row for group in GROUPS[notebook] for row in group["rows"]):
        if row.get("overview") or not overview:
            with suppress(pd.errors.UndefinedVariableError):  # a column that this study has not
                rows += lines(row, read(here, row, tables))
    return pd.DataFrame(rows, columns=COLUMNS).set_index("finding")


def read(here: Study, row: dict, tables: dict) -> pd.DataFrame:
    """The table that a row is of; empty where the study lacks it."""
    if "table" in row:
        return pd.DataFrame(tables.get(row["table"], ())).reset_index()
    if "part" not in row:
        return here.table(row["file"])
    found = here.json(row["file"])
    parts = row["part"].split(".") if len(found) else ()
    return pd.json_normalize(reduce(dict.__getitem__, parts, found) if parts else [])


def lines(row: dict, table: pd.DataFrame) -> Iterator[tuple]:
    """What a row of `key_numbers.yaml` becomes: one line, or one for each value of `each`, or none."""
    for query in (row.get("where"), row.get("and")):
        table = table.query(query, engine="python") if query and len(table) else table
    if not len(table):
        return
    parts = table.groupby(row["each"], sort=False, dropna=False) if "each" in row else [("", table)]
    for _, part in parts:
        each = pd.Series(part.eval(row["value"], engine="python")).dropna()
        if len(each):
            found, n = (words(row[name], part) for name in ("finding", "n"))
            yield found, *values(part, each, **row), n, row["file"]


def values(part, each, /, form=".3f", by=None, range=None, interval=None, **_) -> tuple[str, str]:
    """Of the value of rows the mean and range, or the mean for each entry of `by`; and the 95% interval."""
    shown = f"{each.mean():{form}}"
    if by:
        means = each.groupby(part[by], sort=False).mean().rename(NETWORKS)
        shown = ", ".join(f"{name} {mean:{form}}" for name, mean in means.items())
    elif range or len(each) > 1:
        low, high = (part.eval(end).min() for end in range) if range else (each.min(), each.max())
        shown += f" ({low:{form}} to {high:{form}})"
    if interval is None:
        return shown, "-"
    return shown, f"{part[interval[0]].min():{form}} to {part[interval[1]].max():{form}}"


def words(template: str, part: pd.DataFrame) -> str:
    """A template whose braces hold expressions of pandas with a format, for the first of some rows."""

    def evaluated(match: re.Match) -> str:
        found = pd.Series(part.eval(match[1], engine="python")).iloc[0]
        return format(CALLED.get(found, found), match[2])

    return re.sub(r"\{([^}:]+):?([^}]*)\}", evaluated, template)
