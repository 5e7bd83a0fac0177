import dataclasses
import json
import multiprocessing
import os
import time

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import changed, draw, user_error

from deepcovid import profiles, runs
from deepcovid.data import augmentation
from deepcovid.failure import ablation, arithmetic, auc_search, effects
from deepcovid.failure import tables as failure_tables
from deepcovid.failure.ablation import FACTORS, FAILED, LEVELS
from deepcovid.models import networks, training


@pytest.fixture
def run(profile, monkeypatch, tmp_path):
    monkeypatch.setattr(runs, "RUNS", tmp_path / "runs")
    return changed(profile, epochs=2)


def cell(**levels):
    chosen = FAILED | {"backbone": "resnet18", "epochs": 2, "seed": 0} | levels
    return {key: chosen[key] for key in ablation.CELL}


# arithmetic


def test_the_reported_accuracy_is_that_of_answering_non_covid_to_every_test_image():
    table = arithmetic.null_accuracies()
    assert table.accuracy["test"] == 3000 / 3100
    assert (
        round(100 * table.accuracy["test"], 2) == 96.77 == 100 * failure_tables.REPORTED["accuracy"]
    )
    assert table.accuracy["training, originals"] == 2000 / 2084 == pytest.approx(0.9597, abs=5e-5)
    assert table.accuracy["training, augmented"] == 2000 / 2420 == pytest.approx(0.8264, abs=5e-5)


def test_the_schedule_spends_nearly_all_of_its_rates_in_three_weeks_of_epochs():
    failed = profiles.load("failed")
    assert failed.epochs == 150 and failed.schedule == "step_first"
    table = arithmetic.rate_budgets(failed)
    assert table["sum of rates"]["step"] == pytest.approx(7 / 0.9)
    assert table["sum of rates"]["step_first"] == pytest.approx(6 + 0.7 / 0.9)
    assert table["sum of rates"]["constant"] == 150
    assert table.share["step_first"] < 0.0012 and table.share["step"] < 0.0012
    budget = arithmetic.rate_budget(failed)
    assert budget.rate.iloc[0] == 1 and budget.rate.iloc[6] == pytest.approx(0.1)
    assert budget["sum"].iloc[-1] == pytest.approx(table["sum of rates"]["step_first"])


def test_class_counts_are_those_of_the_run(run):
    table = ablation.manifest.read(run.folder / "manifest.csv")
    counts = arithmetic.class_counts(table, training.training_table(run))
    assert counts["test"] == (12, 8)
    originals, augmented = counts["training, originals"], counts["training, augmented"]
    assert originals[0] == augmented[0] and 2 * originals[1] == augmented[1]
    assert counts["validation"][1] + originals[1] == 12


def test_accuracy_does_not_see_what_auc_and_sensitivity_see():
    label = np.r_[np.zeros(3000), np.ones(100)]
    score = np.r_[np.full(3000, 0.02), np.full(100, 0.3)]
    found = arithmetic.verdict(label, score)
    assert found["accuracy"] == 3000 / 3100 and found["auc"] == 1.0
    assert found["sensitivity"] == 0 and found["balanced_accuracy"] == 0.5
    assert found["sensitivity_at_0.2"] == 1 and found["specificity_at_0.2"] == 1
    assert (found["tp"], found["fn"], found["fp"], found["tn"]) == (0, 100, 0, 3000)
    assert found["mean_score_covid"] == pytest.approx(0.3)


# bookkeeping


def test_a_factorial_has_every_combination_once_and_whole_replicates_first():
    levels = {"optimiser": ("SGD, steps", "Adam"), "crop": ("random", "none")}
    cells = ablation.factorial(levels, (0, 1), backbone="resnet18")
    assert len({json.dumps(c) for c in cells}) == len(cells) == 8
    assert [c["seed"] for c in cells] == [0] * 4 + [1] * 4
    assert all(set(c) == set(ablation.CELL) and c["classes"] == "unweighted" for c in cells)


def test_the_plan_names_no_cell_twice_and_knows_every_level():
    cells = ablation.plan()
    assert len({json.dumps(c) for c in cells}) == len(cells)
    assert all(c[factor] in levels for c in cells for factor, levels in LEVELS.items())
    ours = [c for c in cells if c["seed"] == 0 and c["backbone"] == "squeezenet"]
    assert sum(c["epochs"] == 24 for c in ours) == 24


def test_levels_mean_what_the_profiles_say(run):
    failed = profiles.load("failed")
    recipe = ablation.recipe(failed, cell(batch_norm="train", epochs=150))
    assert dataclasses.replace(recipe, selection="test_accuracy") == failed
    paper = profiles.load("paper")
    levels = {"optimiser": "Adam", "crop": "none", "batch_norm": "eval", "epochs": 100}
    assert (
        ablation.recipe(failed, cell(**levels)).settings()
        | {
            "name": "paper",
            "augment_positives": "release",
            "validation_fraction": paper.validation_fraction,
            "threshold": paper.threshold,
        }
        == paper.settings()
    )


def numbered(count):
    return [{"seed": i} for i in range(count)]


def test_no_cell_is_trained_twice_and_a_stopped_ablation_goes_on(tmp_path):
    trained = []

    def train(chosen):
        if chosen["seed"] == 3 and stopping:
            raise KeyboardInterrupt
        trained.append(chosen["seed"])
        return {"cell": chosen}

    stopping = True
    with pytest.raises(KeyboardInterrupt):
        ablation.run_cells(tmp_path, numbered(6), runs.digest, train)
    assert trained == [0, 1, 2]
    stopping = False
    for _ in range(2):
        assert len(ablation.run_cells(tmp_path, numbered(6), runs.digest, train)) == 6
    assert trained == [0, 1, 2, 3, 4, 5]
    assert len(list(tmp_path.glob("*.json"))) == 6


def worker(folder, out):
    def train(chosen):
        time.sleep(0.02)
        with out.open("a") as file:
            file.write(f"{chosen['seed']} {os.getpid()}\n")
        return {"cell": chosen}

    ablation.run_cells(folder, numbered(20), runs.digest, train)


def test_processes_share_the_cells_between_them(tmp_path):
    context = multiprocessing.get_context("fork")
    out = tmp_path / "log.txt"
    started = [context.Process(target=worker, args=(tmp_path / "cells", out)) for _ in range(2)]
    for process in started:
        process.start()
    for process in started:
        process.join()
        assert process.exitcode == 0
    seeds = [int(line.split()[0]) for line in out.read_text().splitlines()]
    assert sorted(seeds) == list(range(20))


def test_a_digest_stands_for_settings_images_and_first_weights(run):
    bench = ablation.Bench(run, "resnet18", "pretrained", views=2)
    digests = {
        bench.digest(cell()),
        bench.digest(cell(seed=1)),
        bench.digest(cell(optimiser="Adam")),
        ablation.Bench(changed(run, image_size=48), "resnet18", "pretrained", 2).digest(cell()),
        ablation.Bench(changed(run, learning_rate=1.0), "resnet18", "pretrained", 2).digest(cell()),
        ablation.Bench(run, "resnet18", "pretrained", 3).digest(cell()),
    }
    assert len(digests) == 6
    again = ablation.Bench(run, "resnet18", "pretrained", views=2)
    assert again.digest(cell()) == bench.digest(cell())


# training


def test_a_cell_is_the_training_that_its_profile_says(run):
    """A cell on whole images ends in the scores that training and scoring end in."""
    chosen = cell(optimiser="Adam", positives="augmented", crop="none")
    result = ablation.train_cell(ablation.Bench(run, "resnet18", "pretrained"), chosen)
    recipe = ablation.recipe(run, chosen)
    model, _ = networks.build("resnet18", "random", 0)
    table = ablation.manifest.read(run.folder / "manifest.csv")
    tables = {"train": training.training_table(run), "test": table[table.split == "test"]}
    inputs = training.gather(recipe, model, tables, 0, torch.device("cpu"))
    training.fit(recipe, model, inputs, 0)
    score = training.predict(model, inputs["test"]).softmax(1)[:, 1]
    assert np.allclose(result["score"], score, atol=1e-5)
    last = [row for row in result["rows"] if row["selection"] == "last"][-1]
    expected = arithmetic.verdict(tables["test"].label, score.numpy())
    assert last["after"] == 2 and last["auc"] == pytest.approx(expected["auc"])


def test_views_are_random_crops_that_epochs_go_through_in_turn(run):
    bench = ablation.Bench(run, "resnet18", "pretrained", views=2)
    originals = bench.inputs(cell())["train"]
    augmented = bench.inputs(cell(positives="augmented"))["train"]
    assert len(originals.label) < len(augmented.label)
    assert augmented.label.sum() == 2 * originals.label.sum()
    group = [torch.arange(4)]
    first, second, third = (next(originals.batches(group, epoch)) for epoch in range(3))
    assert torch.equal(first, third) and not torch.equal(first, second)
    files = list((runs.RUNS / "features" / "views").glob("*.npy"))
    assert len(files) == 2
    again = ablation.Bench(run, "resnet18", "pretrained", views=2).inputs(cell())["train"]
    assert torch.equal(next(again.batches(group, 1)), second)
    assert len(list((runs.RUNS / "features" / "views").glob("*.npy"))) == 2


def test_batch_norm_in_train_mode_changes_training_and_test_inputs(run):
    bench = ablation.Bench(run, "resnet18", "pretrained", views=1)
    still, drifted = (bench.inputs(cell(crop="none", batch_norm=n)) for n in ("eval", "train"))
    group = [torch.arange(5)]
    assert not torch.equal(
        next(still["train"].batches(group)), next(drifted["train"].batches(group))
    )
    assert not torch.equal(still["test"].cached, drifted["test"].cached)
    squeezenet = ablation.Bench(run, "squeezenet", "pretrained", views=1)
    still, same = (squeezenet.inputs(cell(crop="none", batch_norm=n)) for n in ("eval", "train"))
    assert torch.equal(still["test"].cached, same["test"].cached)


def test_the_best_epoch_is_the_first_of_highest_accuracy():
    label = np.array([0, 0, 0, 1])
    scores = np.array([[0.1, 0.1, 0.1, 0.2], [0.1, 0.1, 0.1, 0.9], [0.1, 0.1, 0.1, 0.8]])
    rows = pd.DataFrame(ablation.outcomes(label, scores)).set_index(["after", "selection"])
    assert list(rows.epoch) == [1, 1, 2, 2, 3, 2]
    assert rows.sensitivity[1, "test_accuracy"] == 0 and rows.sensitivity[3, "last"] == 1


def test_a_failure_and_its_mending_from_images_to_table(run, monkeypatch):
    quick = changed(run, learning_rate=1e-3)
    cells = {"failed": cell(), "mended": cell(optimiser="Adam", classes="balanced", crop="none")}
    tables = failure_tables.told(quick, cells)
    assert set(tables) == set(cells) and all(len(t) == 20 for t in tables.values())
    with monkeypatch.context() as patch:
        patch.setattr(ablation, "train_cell", None)  # training again would fail
        assert len(ablation.ablate(quick, list(cells.values()), views=2)) == 2
    table = ablation.collect(quick.folder / "cells")
    assert len(table) == 2 * 2 * 2 and set(table.file) == {"random"}
    path = ablation.write(table, quick.folder / "ablation.csv")
    pd.testing.assert_frame_equal(pd.read_csv(path), table, check_dtype=False, rtol=1e-4)
    shown = failure_tables.verdicts(tables)
    last = effects.at(table, after=2, selection="last", optimiser="Adam")
    assert shown.auc["mended"] == pytest.approx(last.auc.item(), abs=1e-3)


def test_a_story_without_augmented_positives_leaves_them_out(run):
    assert "augmented positives" in ablation.story(run)
    (run.folder / "training.csv").unlink()
    ablation.augmentation.run(changed(run, augment_positives=1))
    cells = ablation.story(run)
    assert cells["failed recipe"]["positives"] == "originals"
    assert all(c["positives"] == "originals" for c in cells.values())


# effects


def made_up(noise: float, seeds: int = 4) -> pd.DataFrame:
    """Sensitivity 0.3, +0.4 by Adam, +0.2 by augmented positives, +0.1 more by both."""
    random = np.random.default_rng(0)
    two = {factor: tuple(LEVELS[factor])[:: len(LEVELS[factor]) - 1] for factor in FACTORS}
    rows = []
    for chosen in ablation.factorial(two, range(seeds), backbone="made up"):
        adam, augmented = chosen["optimiser"] == "Adam", chosen["positives"] == "augmented"
        value = 0.3 + 0.4 * adam + 0.2 * augmented + 0.1 * (adam and augmented)
        rows.append(chosen | {"sensitivity": value + noise * random.standard_normal()})
    return pd.DataFrame(rows).sample(frac=1, random_state=1)


def test_effects_find_what_was_put_in():
    found = effects.effects(made_up(noise=0.02))
    assert list(found.index[:3]) == ["optimiser", "positives", "optimiser x positives"]
    truth = {"optimiser": 0.45, "positives": 0.25, "optimiser x positives": 0.05}
    for term, value in truth.items():
        row = found.loc[term]
        assert row.low < value < row.high and row.high - row.low < 0.03
        assert row.p < 0.001
    assert found.change["optimiser"] == "SGD, steps -> Adam"
    rest = found.drop(list(truth))
    assert rest.effect.abs().max() < 0.02 and rest.share.max() < 0.01
    assert found.share.sum() == pytest.approx(1, abs=0.02)
    assert found.share["optimiser"] == pytest.approx(
        0.45**2 / (0.45**2 + 0.25**2 + 0.05**2), abs=0.02
    )


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    hits = 0
    for seed in range(60):
        table = made_up(0)
        random = np.random.default_rng(seed)
        table["sensitivity"] += 0.1 * random.standard_normal(len(table))
        row = effects.effects(table).loc["optimiser"]
        hits += row.low < 0.45 < row.high
    assert 50 <= hits <= 60


def test_effects_refuse_a_factor_of_three_levels():
    table = made_up(0.01)
    table.loc[table.seed == 0, "optimiser"] = "SGD, constant"
    with user_error("two levels"):
        effects.effects(table)


def test_replicates_count_trainings_and_keep_the_order_of_levels():
    found = effects.replicates(made_up(0.02), ["optimiser", "crop"], ["sensitivity"])
    assert list(found.index) == [
        ("SGD, steps", "random"),
        ("SGD, steps", "none"),
        ("Adam", "random"),
        ("Adam", "none"),
    ]
    assert set(found.trainings) == {16}
    assert found.sensitivity["mean"]["Adam", "none"] == pytest.approx(0.85, abs=0.02)


def test_mendings_change_one_setting_at_a_time():
    table = made_up(0.0).assign(after=24, selection="last")
    table = table.assign(**dict.fromkeys(set(ablation.MEASURES) - {"sensitivity"}, 0.0))
    found = effects.mendings(table, {"backbone": "made up", "after": 24, "selection": "last"})
    assert list(found.index) == [
        "the failed recipe",
        "optimiser: Adam",
        "positives: augmented",
        "classes: balanced",
        "crop: none",
    ]
    assert list(found.sensitivity.round(3)) == [0.3, 0.7, 0.5, 0.3, 0.3]
    one = table.seed == table.seed.min()
    table.loc[one, "sensitivity"] += 0.08
    again = effects.mendings(table, {"backbone": "made up", "after": 24, "selection": "last"})
    assert (again.most - again.least).round(3).eq(0.08).all()


def test_an_unfinished_replicate_is_left_out_of_a_factorial():
    table = made_up(0.02)
    last = table.index[table.seed == table.seed.max()][0]
    assert effects.whole_replicates(table).equals(table)
    kept = effects.whole_replicates(table.drop(last))
    assert set(kept.seed) == set(table.seed) - {table.seed.max()}


def test_a_cell_of_other_settings_in_the_same_folder_is_refused(run):
    for rate in (1e-3, 1e-4):
        ablation.ablate(changed(run, learning_rate=rate), [cell(crop="none")])
    with user_error("the same cell"):
        ablation.collect(run.folder / "cells")


def test_an_empty_folder_is_said_to_hold_no_cells(tmp_path):
    with user_error("no finished cell"):
        ablation.collect(tmp_path)


def test_parts_train_each_cell_once_and_make_one_table(data, tmp_path, monkeypatch):
    monkeypatch.setattr(profiles, "RUNS", tmp_path / "runs")
    small = [dict(c, epochs=1, crop="none") for c in ablation.plan(("resnet50",), (0,))[:3]]
    monkeypatch.setattr(ablation, "plan", lambda *_: small)
    given = {"data": str(data), "models": "resnet50", "weights": "random", "image_size": 32,
             "augment_positives": 2}  # fmt: skip
    words = ["--profile", "released", "--overrides", json.dumps(given)]
    table = tmp_path / "runs" / "ablation" / "ablation.csv"
    assert ablation.main(["prepare", *words]) == 0
    trained = []
    train = ablation.train_cell
    monkeypatch.setattr(
        ablation, "train_cell", lambda bench, cell: trained.append(cell) or train(bench, cell)
    )
    for part in ("1/2", "2/2", "1/2"):
        assert ablation.main(["train", *words, "--part", part]) == 0
    assert sorted(map(repr, trained)) == sorted(map(repr, small))
    assert ablation.main(["collect", *words, "--out", str(table)]) == 0
    assert pd.read_csv(table).digest.nunique() == 3
    assert ablation.main(["train", *words, "--overrides", '{"epochs": 0}']) == 2


def test_the_search_reads_test_images_as_each_candidate_says(run, tmp_path):
    other = tmp_path / "elsewhere"
    for i in range(4):
        draw(other / "covid" / f"a{i}.png", 700 + i, 70)
        draw(other / "non" / f"b{i}.png", 800 + i)
    given = changed(run, models=("resnet18",), weights="random", epochs=3, external=str(other))
    found = auc_search.auc_search(given, "resnet18", ("resnet18",), (0,), negatives=5)
    rows = found.set_index("candidate")
    assert set(found.candidate) >= {f"test images: {name}" for name in auc_search.READINGS}
    assert rows.auc["class order exchanged on test"] == pytest.approx(
        1 - rows.auc["the failed recipe"]
    )
    assert rows.images["the failed recipe"] == 20 and rows.images["test set from elsewhere"] == 8
    assert rows.images["test images: not normalised"] == 8 + 5
    # an image that is read as in training is scored as in training
    bench = ablation.Bench(given, "resnet18", "pretrained")
    cell = FAILED | {"crop": "none", "backbone": "resnet18", "seed": 0, "epochs": 3}
    scores, _, head = auc_search.trained_head(bench, cell, 0)
    paths = [augmentation.locate(given, image) for image in bench.test.image]
    again = auc_search.read_otherwise(bench, {0: head}, paths, auc_search.normalise)[0]
    np.testing.assert_allclose(again, scores[-1], atol=1e-5)
    # and a head trained on images read as ever is the same head
    inputs = auc_search.inputs_otherwise(bench, bench.test, auc_search.normalise)
    same, label, _ = auc_search.trained_head(bench, cell, 0, inputs)
    np.testing.assert_allclose(same, scores, atol=1e-5)
    assert list(label) == list(bench.test.label)
    wrong = {f"all images: {name}" for name in auc_search.WRONG_THROUGHOUT}
    assert wrong <= set(found.candidate)
    grey = torch.full((3, 8, 8), 0.25)
    assert torch.allclose(auc_search.READINGS["not normalised"](grey), grey)
    assert torch.allclose(
        auc_search.READINGS["negative (white lungs)"](grey), auc_search.normalise(3 * grey)
    )


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
    found = failure_tables.searched(pd.DataFrame(), first, real)
    assert found.sensitivity.tolist() == [0, 0.02, 0]
    assert found.loc["first epoch, crops (squeezenet)", ["low", "auc", "high"]].tolist() == (
        pytest.approx([0.6, 0.7, 0.8])
    )
    assert len(found) == 3


def test_the_answer_names_the_epoch_that_accuracy_selects():
    tied = pd.DataFrame({"epoch": [1, 2, 3], "accuracy": 0.97, "auc": [0.7, 0.8, 0.9]})
    rising = tied.assign(accuracy=[0.97, 0.97, 0.98])
    verdicts = pd.DataFrame({"tp": [0, 27]})
    effects = pd.DataFrame(
        {"change": "a -> b", "effect": 0.3, "low": 0.2, "high": 0.4, "share": 0.5}, index=["crop"]
    )
    both = pd.DataFrame(
        {"sensitivity": [0.01, 0.7]},
        index=pd.MultiIndex.from_product([["squeezenet"], ["the failed recipe", "crop: none"]]),
    )
    first = pd.DataFrame({"backbone": "squeezenet", "auc": [0.71, 0.9]})
    histories = {"seed 0": tied, "seed 1": rising}
    text = failure_tables.answer(verdicts, {"net": effects}, both, first, histories, 0.9677)
    assert "seed 0 epoch 1, AUC 0.700; seed 1 epoch 3, AUC 0.900" in text
    assert "1 of 2 within" in text and "crop (a -> b) +30 points (20 to 40)" in text
    assert "1% -> 70% of COVID-19 images found by *crop: none*" in text and runs.NOTICE in text
