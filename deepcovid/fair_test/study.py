"""All of notebook 08 for one run: the files of `fair_test/`, made at once."""

import pandas as pd

from deepcovid import io
from deepcovid.fair_test import collection, severity, swap, training_data, within
from deepcovid.models.run import Run
from deepcovid.shortcuts.encoders import FeatureBank


def run(run: Run) -> None:
    """Write `fair_test/*.csv` of a run, unless that was done; nothing without a collection.

    Training data are compared only where another hospital can judge the answer.
    """
    if not run.profile.collection:
        return
    folder, stamp = run.folder / "fair_test", run.depends("fair_test.study", trained=True)
    names = ["swap", "findings", "within", "sites"] + ["severity"] * bool(run.profile.severity)
    names += ["training_data"] * bool(run.profile.external)
    there = all((folder / f"{name}.csv").is_file() for name in names)
    if not (there and io.is_fresh(folder / "swap.csv", stamp)):
        for name, table in tables(run).items():
            io.write_csv(folder / f"{name}.csv", table)
        io.write_stamp(folder / "swap.csv", stamp)


def tables(run: Run) -> dict[str, pd.DataFrame]:
    """All tables by their names. What networks make of an image is asked for once."""
    table = collection.with_trained(run, collection.of(run))
    train = run.originals("train").assign(path=lambda of: run.paths(of.image))
    images = [table, train]
    if run.profile.external:
        images.insert(1, candidates := training_data.images_of(run, table))
    bank = FeatureBank(run, pd.concat(images, ignore_index=True))
    scores = swap.scores(run, table)
    found = {"swap": swap.compare(run, scores), "findings": swap.findings(run, scores)}
    if run.profile.severity:
        found["severity"] = severity.compare(run, table, scores, bank)
    found |= within.compare(run, table, bank)
    if run.profile.external:
        found["training_data"] = training_data.compare(
            run, training_data.Data(candidates, bank, run.profile.models)
        )
    return found
