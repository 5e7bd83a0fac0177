"""All of notebook 08 for one run, in its order; what was computed is kept."""

import pandas as pd

from deepcovid.fair_test import collection, right_data, severity, swap, within
from deepcovid.models.opened import Run
from deepcovid.runs import done, mark_done


def run(opened: Run) -> dict[str, pd.DataFrame]:
    """Write `fair_test/*.csv` of a run and give the tables by name; empty without a collection.

    The right data is asked for only where another hospital can judge the answer.
    """
    if not opened.profile.collection:
        return {}
    table, folder = collection.of(opened), opened.folder / "fair_test"
    found = {"swap": swap.run(opened, table)}
    if opened.profile.severity:
        found["severity"] = severity.run(opened, table)
    stamp = opened.depends(table, "fair_test.within")
    if not done(folder / "within.csv", stamp):
        within.run(opened, table)
        mark_done(folder / "within.csv", stamp)
    found |= {name: pd.read_csv(folder / f"{name}.csv") for name in ("within", "sites")}
    if opened.profile.external:  # without another hospital nobody judges what is chosen
        found["right_data"] = right_data.run(opened, table)
    return found
