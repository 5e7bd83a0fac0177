import numpy as np
import pandas as pd
import pytest
from conftest import changed

from deepcovid import steps
from deepcovid.data import manifest
from deepcovid.failure import ablation, design, effects, feature_cache
from deepcovid.models import fitting, networks, training
from deepcovid.models.run import Run


def cell(**levels):
    return design.cell("resnet18", **{"epochs": 2} | levels)


@pytest.mark.slow
@pytest.mark.parametrize(
    "levels",
    [
        {"optimiser": "Adam", "positives": "augmented", "batch_norm": "eval"},
        {"seed": 1, "crop": "none", "positives": "augmented", "classes": "balanced"},
    ],
)
def test_a_cell_is_the_training_that_its_profile_says(run, levels):
    """It ends in the scores that training and scoring end in, with drifting batch norm too."""
    chosen = cell(**levels)
    run = changed(run, batch_size=len(run.training) - 1)  # the last batch is of one image
    result = ablation.train_cell(feature_cache.FeatureCache(run, "resnet18", "pretrained"), chosen)
    recipe = design.recipe(run.profile, chosen)
    model, _ = networks.build("resnet18", "random", chosen["seed"])
    model.backbone, _ = feature_cache.FeatureCache(run, "resnet18", "pretrained").fresh()
    table = run.training if "positives" in levels else manifest.originals(run.training)
    phases = {"train": table, "test": run.originals("test")}
    inputs = training.gather(Run(recipe), model, phases, chosen["seed"])
    fitting.fit(recipe, model, inputs, chosen["seed"])
    score = fitting.predict(model, inputs["test"]).softmax(1)[:, 1]
    np.testing.assert_allclose(result["score"], score, atol=1e-5)
    last = [row for row in result["rows"] if row["selection"] == "last"][-1]
    expected = effects.verdict(phases["test"].label, score.numpy())
    assert last["after"] == 2 and last["auc"] == pytest.approx(expected["auc"])


def test_a_cells_file_holds_the_scores_that_its_rows_were_made_of(run):
    """Unrounded: an AUC made of them is the one in the rows."""
    found = ablation.train_cell(
        feature_cache.FeatureCache(run, "resnet18", "pretrained"), cell(crop="none")
    )
    last = [row for row in found["rows"] if row["selection"] == "last"][-1]
    again = effects.verdict(found["label"], found["score"])
    assert again["auc"] == last["auc"] and again["tp"] == last["tp"]
    assert any(round(value, 5) != value for value in found["score"])


def test_the_best_epoch_is_the_first_of_highest_accuracy():
    label = np.array([0, 0, 0, 1])
    scores = np.array([[0.1, 0.1, 0.1, 0.2], [0.1, 0.1, 0.1, 0.9], [0.1, 0.1, 0.1, 0.8]])
    rows = pd.DataFrame(ablation.outcomes(label, scores)).set_index(["after", "selection"])
    assert list(rows.epoch) == [1, 1, 2, 2, 3, 2]
    assert rows.sensitivity[1, "test_accuracy"] == 0 and rows.sensitivity[3, "last"] == 1


@pytest.mark.slow
def test_a_runs_own_failure_from_images_to_table(run, monkeypatch):
    two = {
        "the failed recipe": cell(),
        "Adam": cell(optimiser="Adam", classes="balanced", crop="none"),
    }
    monkeypatch.setattr(design, "demo_cells", lambda *_: two)
    quick = changed(run, learning_rate=1e-3)
    steps.make("failure.csv", quick)
    found = pd.read_csv(quick.folder / "failure.csv", index_col="change")
    assert list(found.index) == list(two)
    assert (found[["tp", "fn", "fp", "tn"]].sum(axis=1) == 20).all()
    with monkeypatch.context() as patch:
        patch.setattr(ablation, "train_cell", None)  # training again would fail
        ablation.single_changes(quick)
    table = ablation.collect([*(quick.folder / "cells").glob("*.json")])
    assert len(table) == 2 * 2 * 2 and set(table.file) == {"random"}
    last = effects.select(table, after=2, selection="last", optimiser="Adam")
    assert found.auc["Adam"] == pytest.approx(last.auc.item(), abs=1e-5)


@pytest.mark.slow
def test_jobs_train_each_planned_cell_once_and_make_one_table(run, monkeypatch):
    """The repeats over ten seeds, which are no job's, are trained with the table."""
    small = [cell(epochs=1, crop="none", seed=seed) for seed in (0, 1, 2)]
    monkeypatch.setattr(design, "plan", lambda *_: small)
    trained, train = [], ablation.train_cell
    monkeypatch.setattr(
        ablation, "train_cell", lambda cache, cell: trained.append(cell) or train(cache, cell)
    )
    for seed in (1, 0, 1):
        one = changed(run, models=("resnet18",), seeds=(seed,))
        steps.make(f"resnet18/seed{seed}/cells.done", one)
    assert trained == [small[1], small[0]]
    steps.make("ablation.csv", changed(run, seeds=(0, 1)))
    assert trained[2:] == small[2:]
    table = pd.read_csv(run.folder / "ablation.csv")
    assert table.digest.nunique() == 3 and table.seed.is_monotonic_increasing
    assert "outcome" in pd.read_csv(run.folder / "ablation_effects.csv")


def test_cells_of_other_images_or_settings_and_what_a_killed_process_left_are_not_in_the_table(run):
    chosen = [cell(crop="none", batch_norm="eval")]
    before = ablation.ablate(run, chosen)
    (run.folder / "cells" / ".part-abc.json").write_text("")
    (quick,) = ablation.ablate(changed(run, learning_rate=1e-3), chosen)
    run.training.iloc[1:].to_csv(run.folder / "training.csv", index=False)
    (fewer,) = ablation.ablate(Run(run.profile), chosen)
    assert len({*before, quick, fewer}) == 3
    assert set(ablation.collect([fewer]).digest) == {fewer.stem}
