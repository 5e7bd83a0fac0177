"""All of notebook 08 for one run, in its order; what was computed is kept."""

from deepcovid.fair_test import collection, right_data, severity, swap, within
from deepcovid.models.run import Run
from deepcovid.runs import is_fresh, write_stamp


def run(run: Run) -> None:
    """Write `fair_test/*.csv` of a run; nothing without a collection.

    The right data is asked for only where another hospital can judge the answer.
    """
    if not run.profile.collection:
        return
    table, folder = collection.of(run), run.folder / "fair_test"
    judged = collection.with_trained(run, table)
    swap.run(run, judged)
    if run.profile.severity:
        severity.run(run, judged)
    stamp = run.depends(table, "fair_test.within")
    if not is_fresh(folder / "within.csv", stamp):
        within.run(run, table)
        write_stamp(folder / "within.csv", stamp)
    if run.profile.external:  # without another hospital nobody judges what is chosen
        right_data.run(run, table)
