"""What separates the classes is found, measured as metrics say, and not computed twice."""

import numpy as np
import pandas as pd
import pytest
from conftest import changed, user_error

from deepcovid.metrics import intervals
from deepcovid.runs import RESULTS
from deepcovid.shortcuts import measure
from deepcovid.shortcuts.probing import fit_score


def people(n=40, seed=0) -> pd.DataFrame:
    """Images of which some age, view and sex are unknown; mode tells the class."""
    rng = np.random.default_rng(seed)
    of = pd.DataFrame({
        "folder": np.repeat(["train", "test"], n), "label": np.tile([0, 1], n),
        "patient": [f"p{i}" for i in range(2 * n)], "view": rng.choice(["AP", "PA", ""], 2 * n),
        "sex": rng.choice(["F", "M", ""], 2 * n), "width": 320.0, "height": 390.0,
        "age": np.where(rng.random(2 * n) < 0.3, np.nan, rng.integers(20, 90, 2 * n)),
    })  # fmt: skip
    of["mode"] = np.where((of.label == 1) & (rng.random(2 * n) < 0.8), "RGB", "L")
    of.loc[of.folder.eq("test") & of.view.eq("AP"), "view"] = "AP Erect"  # never met in training
    return of.assign(**{"aspect ratio": of.width / of.height})


def test_metadata_with_missing_values_find_what_is_there():
    rows = {row["input"]: row for row in measure.of_metadata(people())}
    assert rows["file properties"]["auc_low"] > 0.7
    other = rows["patient and exposure"]
    assert other["auc_low"] < 0.5 < other["auc_high"]
    assert (other["positives"], other["negatives"]) == (20, 20)


def test_what_nobody_knows_is_left_out():
    of = people().assign(view="", sex="", age=np.nan)
    assert [row["input"] for row in measure.of_metadata(of)] == ["file properties"]


@pytest.mark.slow
def test_a_run_writes_its_table_once(run, monkeypatch):
    found = measure.run(run)
    path = run.folder / "shortcuts.csv"
    assert list(found.columns) == list(pd.read_csv(RESULTS / "paper/shortcuts.csv").columns)
    assert {"metadata", "whole", "border", "centre", "coarse", "grey levels", "untrained"} == set(
        found.kind
    )
    assert found.auc.between(found.auc_low, found.auc_high).all()
    assert (found.positives == 8).all() and (found.negatives == 12).all()
    whole = found[found.kind == "whole"].iloc[0]
    assert whole.auc > 0.9  # a bright square tells the classes apart
    centre = found[found.input == "central 50% of each side"].iloc[0]
    assert centre.input_share == 0.25
    text = path.read_text()
    monkeypatch.setattr(measure, "auc_on_test", None)  # nothing is left to do
    measure.run(run)
    assert path.read_text() == text


def test_the_auc_is_that_of_the_test_images(run):
    of = measure.collection(run.manifest, run.data)
    assert (of.folder == "train").sum() == 36  # validation images among them
    values = np.arange(len(of), dtype=float)[:, None]
    row = measure.auc_on_test(of, values, "table")
    train, test = ((of.folder == part).to_numpy() for part in ("train", "test"))
    score = fit_score(values, of.label, train, test, "table")
    assert row["auc"] == intervals.auc(of.label[test], score)
    assert (row["auc_low"], row["auc_high"]) == intervals.auc_interval(of.label[test], score)


def test_without_a_manifest_the_user_is_told(run):
    with user_error("run notebook 01"):
        measure.run(changed(run, name="elsewhere"))


def test_a_sample_of_negatives_keeps_patients_whole_and_findings_as_frequent():
    rows = [(folder, 0, f"{folder} {k // 3}", ("Edema; Effusion", "No Finding")[k // 3 % 4 > 0])
            for folder in ("train", "test") for k in range(360)]  # fmt: skip
    rows += [("test", 1, f"ill {k}", "COVID-19") for k in range(30)]
    of = pd.DataFrame(rows, columns=["folder", "label", "patient", "finding"])
    drawn = measure.sampled(of, 120)
    assert drawn.label.sum() == 30 and drawn.index.is_monotonic_increasing
    assert drawn[drawn.label == 0].folder.value_counts().to_dict() == {"train": 120, "test": 120}
    assert not set(drawn.patient) & set(of.drop(drawn.index).patient)
    share = (drawn.finding == "Edema; Effusion").sum() / 240
    assert share == pytest.approx(0.25, abs=0.03)
    assert measure.sampled(of, "all").equals(of) and measure.sampled(of, 200).equals(of)
