import pandas as pd
import pytest
from conftest import user_error

from deepcovid.metrics import evaluation, run, tables
from deepcovid.metrics.intervals import auc
from deepcovid.runs import write_json
from deepcovid.study import Missing


@pytest.fixture
def folder(tmp_path, overlapping):
    """A run's folder with one model, seeds 2 and 10, and a model that is left from another run."""
    for model, seed in (("squeezenet", 2), ("squeezenet", 10), ("resnet18", 2)):
        place = tmp_path / model / f"seed{seed}"
        label, score = overlapping(20 + seed, 80)
        table = pd.DataFrame({"split": "test", "label": label, "score": score})
        table["image"] = [f"{i}.png" for i in range(len(table))]
        table["patient"] = [f"p{i // 2}" for i in range(len(table))]
        place.mkdir(parents=True)
        table.to_csv(place / "scores.csv", index=False)
        write_json(place / "training.json", {"weights": {"file": None, "kind": "random"}})
    run.evaluate(tmp_path, ["squeezenet"], [2, 10], 0.5)
    return tmp_path


def test_a_run_is_evaluated_from_its_scores_alone(folder):
    table = pd.read_csv(folder / "metrics.csv")
    assert table[["model", "seed", "weights"]].to_numpy().tolist() == [
        ["squeezenet", 2, "random"],
        ["squeezenet", 10, "random"],
    ]
    assert table.patients.tolist() == [51, 55]


def test_seeds_are_in_the_order_of_their_numbers(folder):
    assert list(evaluation.scores_of(folder)) == [
        ("resnet18", 2),
        ("squeezenet", 2),
        ("squeezenet", 10),
    ]


def test_what_an_earlier_call_left_is_not_counted(folder):
    assert list(evaluation.evaluated(folder)) == [("squeezenet", 2), ("squeezenet", 10)]


def test_where_all_images_of_a_class_are_doubles_nothing_is_left_to_judge(folder):
    table = evaluation.scores_of(folder)["squeezenet", 2]
    found = {"test_images_also_in_train": table.image[table.label == 1].tolist()}
    write_json(folder / "audit.json", {"near_duplicates": found})
    run.evaluate(folder, ["squeezenet"], [2], 0.5)
    row = pd.read_csv(folder / "metrics.csv").iloc[0]
    assert row.doubles == 22 and pd.isna(row.auc_without_doubles) and 0 < row.auc < 1


def test_models_are_compared_over_their_seeds_in_one_row_each(folder):
    scores = evaluation.scores_of(folder)
    one = scores["squeezenet", 2]
    made = {("a", 0): one, ("a", 1): one.assign(score=one.score**2),
            ("b", 0): one.sample(frac=1, random_state=0),
            ("c", 0): one.assign(score=0.9 * one.label + 0.1 * one.score)}  # fmt: skip
    found = tables.auc_differences(made)
    assert list(found.index) == ["a - b", "a - c", "b - c"]
    assert (
        found.difference["a - b"] == 0
        and found.p["a - b"] == 1
        and found.seeds["a - b"] == "2 and 1"
    )
    assert (
        found.difference["a - c"] == pytest.approx(found.least["a - c"])
        and found.p_holm["a - c"] < 0.05
    )
    assert (found.p_holm >= found.p).all()
    assert tables.auc_differences({("a", 0): one}).empty
    with user_error("seed 10 was not scored on the same images"):
        tables.auc_differences(scores)


def test_intervals_count_images_beside_patients_in_a_row_per_model(folder):
    scores = {k: t for k, t in evaluation.scores_of(folder).items() if k[0] == "resnet18"}
    found = tables.both_intervals(scores, {("resnet18", 2): 0.5})
    assert [*found.index] == [("ResNet18", n) for n in ("ROC AUC", "sensitivity", "specificity")]
    two = {(model, seed): scores["resnet18", 2].assign(score=lambda of, seed=seed: of.score * seed / 2)
           for model, seed in (("resnet18", 1), ("resnet18", 2))}  # fmt: skip
    cuts = {
        ("resnet18", 2): 0.5,
        ("resnet18", 1): 0.25,
    }  # as seeds were named, not as they are sorted
    assert tables.both_intervals(two, cuts).value.equals(found.value)
    table = scores["resnet18", 2]
    positive = table[table.label == 1]
    assert found.value["ResNet18", "sensitivity"] == f"{(positive.score >= 0.5).mean():.4f}"
    assert (
        found.images.tolist() == [102, 22, 80] and found.patients["ResNet18", "sensitivity"] == 11
    )


def test_the_paper_ours_and_the_control_stand_beside_each_other(folder):
    counts = {"tp": 3, "fn": 1, "tn": 1990, "fp": 10, "patients": 77, "positive_patients": 3}
    metrics = pd.DataFrame(
        {"model": ["resnet18"] * 2, "auc": [0.9, 0.8], "sensitivity": [0.5, 0.7]}
    ).assign(**counts)
    found = tables.beside_paper(metrics, metrics.assign(auc=0.6))
    assert found.loc["ROC AUC", "ResNet18"].tolist() == [
        "0.989", "0.8500 (0.8000 to 0.9000)", "0.6000 (0.6000 to 0.6000)"
    ]  # fmt: skip
    assert found.ours["test images", "all"] == "4 COVID-19 and 2,000 Non-COVID of 3 and 74 patients"
    assert found.paper["sensitivity, threshold from validation", "ResNet18"] == "-"
    nothing = tables.beside_paper(metrics, Missing("control/metrics.csv"))
    assert set(nothing["untrained control"]) == {"-"}


def test_predictive_values_are_bayes(folder):
    metrics = pd.DataFrame({"model": ["squeezenet"], "auc": [0.9], "sensitivity": [0.8],
                            "specificity": [0.9], "specificity_at_98_sensitivity": [0.5]})  # fmt: skip
    found = tables.predictive_values(metrics, (0.1,))
    own = found.loc["SqueezeNet", "ours, validation images"]
    assert own["PPV at 10%"] == pytest.approx(0.08 / (0.08 + 0.09), abs=5e-3)
    assert own["NPV at 10%"] == pytest.approx(0.81 / 0.83, abs=1e-4)
    assert "ours, cross-validated training images" not in found.loc["SqueezeNet"].index
    assert found.loc["SqueezeNet", "the paper"]["specificity"] == 0.929


def test_the_metrics_table_has_a_row_for_each_model_and_intervals_as_text(folder):
    shown, table = tables.metrics_table(folder / "metrics.csv"), pd.read_csv(folder / "metrics.csv")
    assert shown.seed.tolist() == [2, 10]
    assert shown["ROC AUC"][0].startswith(f"{table.auc[0]:.3f} ({table.auc_low[0]:.3f} to ")


def test_both_operating_points_and_the_doubles_are_in_the_metrics(folder):
    place = folder / "squeezenet" / "seed2"
    scores = pd.read_csv(place / "scores.csv")
    validation = scores.assign(split="validation", image="v" + scores.image)
    pd.concat([scores, validation]).to_csv(place / "scores.csv", index=False)
    cv = scores.assign(image="t" + scores.image, fold=0, score=scores.score / 2)
    cv.drop(columns="split").to_csv(place / "cv_scores.csv", index=False)
    scores = pd.read_csv(place / "scores.csv")
    scores.image = scores.split.str.cat(scores.image, "/")
    scores.to_csv(place / "scores.csv", index=False)
    found = {"test_images_also_in_train": [scores.image[scores.split == "test"].iloc[0]]}
    write_json(folder / "audit.json", {"near_duplicates": found})
    run.evaluate(folder, ["squeezenet"], [2], "sensitivity_98")
    row = pd.read_csv(folder / "metrics.csv").iloc[0]
    assert row.cv_threshold == row.threshold / 2 and row.cv_specificity < row.specificity
    assert row.positive_patients == 11
    test = scores[scores.split == "test"].iloc[1:]
    assert row.doubles == 1 and row.auc_without_doubles == auc(test.label, test.score)
    points = pd.read_csv(folder / "operating_points.csv")
    assert set(points.model) == {"squeezenet"} and points.chosen_on.nunique() == 3
