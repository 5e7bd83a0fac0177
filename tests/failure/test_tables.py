import numpy as np
import pandas as pd
import pytest

from deepcovid import runs
from deepcovid.failure import design, tables


def test_a_real_run_that_found_some_does_not_explain_the_matrix():
    """Only a run that answers Non-COVID to all is a candidate for both reported numbers."""
    real = pd.DataFrame(
        {
            "model": ["squeezenet", "squeezenet", "resnet18"],
            "seed": [0, 1, np.nan],
            "auc": [0.7, 0.9, np.nan],
            "sensitivity": [0, 0.02, np.nan],
            "specificity": [1, 1, np.nan],
        }
    )
    first = pd.DataFrame(
        {"backbone": "squeezenet", "auc": [0.6, 0.8], "sensitivity": 0, "specificity": 1}
    )
    found = tables.searched(pd.DataFrame(), first, real)
    assert found.sensitivity.tolist() == [0, 0.02, 0]
    assert found.loc["first epoch, crops (squeezenet)", ["low", "auc", "high"]].tolist() == (
        pytest.approx([0.6, 0.7, 0.8])
    )
    assert len(found) == 3


def test_candidates_explain_both_numbers_or_are_not_named():
    found = pd.DataFrame(
        {"auc": [0.71, 0.72, 0.9, 0.8], "low": [0.7, 0.7, 0.9, 0.6], "high": [0.72, 0.8, 0.9, 0.9],
         "sensitivity": [0, 0.02, 0, 0], "specificity": 1.0},
        index=["both", "finds some", "ranks too well", "seeds differ"],
    )  # fmt: skip
    told = tables.explaining(found, 0.715)
    assert told.startswith("Of 4 candidates 3 answer Non-COVID to all.")
    assert "in the band: both." in told and "of it: seeds differ." in told
    assert "finds some" not in told and "ranks too well" not in told
    assert "in the band: none." in tables.explaining(found[2:3], 0.715)


def test_coverage_names_what_was_planned_and_is_not_there():
    keys = ["backbone", "weights", "crop", "batch_norm", "epochs"]
    index = pd.MultiIndex.from_tuples(
        [("a", "pretrained", "none", "eval", 24), ("b", "random", "random", "train", 24)],
        names=keys,
    )
    there = pd.DataFrame({"planned": [3, 4], "there": [3, 1]}, index)
    assert tables.coverage(there) == (
        "4 of 7 planned trainings are there. Not complete: b (random, crop random, batch norm "
        "train, 24 epochs) 1 of 4."
    )
    assert tables.coverage(there.head(1)) == "3 of 3 planned trainings are there."


@pytest.fixture
def published(tmp_path):
    """Two seeds of a run of 24 epochs, published as `failed`."""
    for seed in (0, 1):
        folder = tmp_path / "failed" / "resnet18" / f"seed{seed}"
        folder.mkdir(parents=True)
        epochs = np.arange(1, 25)
        history = pd.DataFrame(
            {"epoch": epochs, "phase": "test", "loss": 0.1, "accuracy": 0.9,
             "auc": 0.7 + epochs / 100 + 0.05 * seed, "learning_rate": 1e-4}
        )  # fmt: skip
        both = pd.concat([history, history.assign(phase="train")])
        both.to_csv(folder / "history.csv", index=False)
        scores = pd.DataFrame({"image": ["a", "b", "c"], "split": ["test", "test", "validation"],
                               "label": [0, 1, 1], "score": [0.1, 0.3, 0.2]})  # fmt: skip
        scores.to_csv(folder / "scores.csv", index=False)
    return tmp_path


def test_real_runs_say_how_long_they_were_trained(published):
    folders = {"failed": published / "failed", "released": published / "released"}
    found = tables.real_runs(folders)
    assert list(found) == ["failed: resnet18, seed 0, 24 epochs"]
    assert found["failed: resnet18, seed 0, 24 epochs"].image.tolist() == ["a", "b"]


def test_what_each_real_run_finds_stands_in_a_row(published):
    counts = {"tp": [4, None], "fn": [96, None], "fp": [1, None], "tn": [2999, None]}
    auc = {"auc": [0.7, None], "auc_low": [0.6, None], "auc_high": [0.8, None]}
    made = {"model": ["resnet18", "resnet50"], "seed": [1, None]} | counts | auc
    pd.DataFrame(made).to_csv(published / "failed" / "metrics.csv", index=False)
    found = tables.attempted({"failed": published / "failed", "released": published / "none"})
    assert found.index.tolist() == [("failed", "resnet18", 1)]  # resnet50 was not run
    assert found.iloc[0].tolist() == ["4 of 100", "1 of 3000", "0.700 (0.600 to 0.800)"]
    assert tables.attempted({"released": published / "none"}).empty


def test_kept_crops_stand_beside_new_ones_after_the_same_epochs_and_images(published):
    rows = [
        design.cell("resnet18", seed)
        | {"after": after, "epoch": after, "selection": "last", "auc": 0.71 + after / 100,
           "accuracy": 0.9, "views": 4, "tp": 0, "fn": positives}
        for seed, positives in ((0, 1), (1, 97)) for after in (1, 24)
    ]  # fmt: skip
    pairs = tables.fresh_or_pooled(pd.DataFrame(rows), {"failed": published / "failed"})
    assert list(pairs.index) == [("failed", "resnet18", 0, 1), ("failed", "resnet18", 0, 24)]
    assert pairs["auc"].tolist() == pytest.approx([0.71, 0.94])
    assert pairs["auc kept"].tolist() == pytest.approx([0.72, 0.95])
    near = tables.nearness(pairs).loc["failed", "resnet18"]
    assert near["kept against new"] == pytest.approx(0.01) and np.isnan(near["seed against seed"])
    both = pd.DataFrame(rows).assign(fn=1)
    near = tables.nearness(tables.fresh_or_pooled(both, {"failed": published / "failed"}))
    assert near.loc["failed", "resnet18"]["seed against seed"] == pytest.approx(0.05)
    assert tables.fresh_or_pooled(both, {"failed": published / "none"}).empty


def test_no_p_is_shown_as_nothing():
    assert [tables.p_value(p) for p in (0.0001, 0.001, 0.3124)] == ["< 0.001", "0.001", "0.312"]


def test_both_explanations_of_the_reported_auc_say_what_the_other_epoch_would_have():
    rows = [
        design.cell("resnet18", seed, epochs=epochs)
        | {"after": after, "selection": "last", "auc": auc + 0.1 * seed}
        for seed in (0, 1)
        for epochs, after, auc in ((4, 1, 0.61), (150, 1, 0.5), (150, 150, 0.8))
    ]
    found = tables.explanations(pd.DataFrame(rows), 0.7).T
    assert found["the first epoch was kept"]["other epoch, mean AUC"] == pytest.approx(0.85)
    assert found["the last of 150 was measured"]["other epoch, mean AUC"] == pytest.approx(0.55)
    assert found.loc["at least 0.7"].tolist() == [1, 2]
    assert found.loc["within 0.02"].tolist() == [1, 0]
    assert tables.explanations(pd.DataFrame(rows[:1]), 0.7).empty


def test_the_answer_names_the_epoch_that_accuracy_selects():
    tied = pd.DataFrame({"epoch": [1, 2, 3], "accuracy": 0.97, "auc": [0.7, 0.8, 0.9]})
    rising = tied.assign(accuracy=[0.97, 0.97, 0.98])
    verdicts = pd.DataFrame({"tp": [0, 27]})
    effects = pd.DataFrame(
        {"change": "a -> b", "trainings": 144, "pairs": 72, "effect": 0.3, "least": 0.2,
         "most": 0.4, "holm": 0.0006}, index=["crop"]
    )  # fmt: skip
    mended = pd.DataFrame(
        {"sensitivity": [0.01, 0.7, 0.6], "specificity": [1.0, 0.9, 1.0]},
        index=["the failed recipe", "crop: none", "optimiser: Adam"],
    )
    first = pd.DataFrame({"backbone": "squeezenet", "auc": [0.71, 0.9]})
    histories = {"seed 0": tied, "seed 1": rising}
    text = tables.answer(
        verdicts, {"net": effects}, {"squeezenet": mended}, first, histories, 0.9677
    )
    assert "seed 0 epoch 1, AUC 0.700; seed 1 epoch 3, AUC 0.900" in text
    assert (
        "1 of 2 seeds within 0.02" in text
        and "of 144 trainings, crop (a -> b) +30 points by 72" in text
    )
    assert "(+20 to +40 by seed; p < 0.001, Holm)" in text
    assert "1% -> 70% of COVID-19 images found by *crop: none*, at a specificity of 90.0%" in text
    assert runs.NOTICE in text
