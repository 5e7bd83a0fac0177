"""All of notebook 08 for one run, in its order; what was computed is kept."""

from deepcovid.fair_test import collection, right_data, severity, swap, within
from deepcovid.models.opened import Run
from deepcovid.runs import done, mark_done


def run(opened: Run) -> None:
    """Write `fair_test/*.csv` of a run; nothing without a collection.

    The right data is asked for only where another hospital can judge the answer.
    """
    if not opened.profile.collection:
        return
    table, folder = collection.of(opened), opened.folder / "fair_test"
    judged = collection.with_trained(opened, table)
    swap.run(opened, judged)
    if opened.profile.severity:
        severity.run(opened, judged)
    stamp = opened.depends(table, "fair_test.within")
    if not done(folder / "within.csv", stamp):
        within.run(opened, table)
        mark_done(folder / "within.csv", stamp)
    if opened.profile.external:  # without another hospital nobody judges what is chosen
        right_data.run(opened, table)
