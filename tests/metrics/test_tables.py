import pandas as pd
import pytest
from conftest import user_error

from deepcovid.metrics import run, tables
from deepcovid.metrics.intervals import auc
from deepcovid.runs import write_json


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
    assert not (folder / "resnet18" / "seed2" / "metrics.json").exists()
    rows = tables.summaries(folder)
    assert [row["auc"] for row in rows] == table.auc.tolist()
    assert rows[0]["patients"] == 51


def test_seeds_are_in_the_order_of_their_numbers(folder):
    assert list(tables.scores_of(folder)) == [
        ("resnet18", 2),
        ("squeezenet", 2),
        ("squeezenet", 10),
    ]
    assert [row["seed"] for row in tables.summaries(folder)] == [2, 10]
    assert [row["seed"] for row in tables.summaries(folder, [("squeezenet", 10)])] == [10]


def test_models_are_compared_over_their_seeds_in_one_row_each(folder):
    scores = tables.scores_of(folder)
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


def test_intervals_say_whether_patients_or_images_were_resampled(folder):
    rows = tables.summaries(folder)
    table = tables.intervals(rows)
    assert list(table.columns) == ["value", "by image", "by patient"] and len(table) == 6
    old = [{k: v for k, v in row.items() if k != "by_patient"} | {"by_image": row["by_patient"]}
           for row in rows]  # fmt: skip
    assert list(tables.intervals(old).columns) == ["value", "by image", "by image, resampled"]


def test_the_metrics_table_says_which_rank_stands_for_98_percent(folder):
    shown = tables.metrics_table(folder / "metrics.csv")
    assert shown["specificity at 98% sensitivity"][0].endswith("(22 of 22 found)")
    blank = pd.DataFrame({"model": ["resnet18"], "weights": ["not run"]})
    path = folder / "metrics.csv"
    pd.concat([pd.read_csv(path), blank]).to_csv(path, index=False)
    assert list(tables.metrics_table(path).iloc[-1])[2:] == ["not run"] + [""] * 6


def test_both_operating_points_and_the_doubles_are_in_the_metrics(folder):
    place = folder / "squeezenet" / "seed2"
    scores = pd.read_csv(place / "scores.csv")
    validation = scores.assign(split="validation", image="v" + scores.image)
    pd.concat([scores, validation]).to_csv(place / "scores.csv", index=False)
    cv = scores.assign(image="t" + scores.image, fold=0, score=scores.score / 2)
    cv.drop(columns="split").to_csv(place / "cv_scores.csv", index=False)
    twin = {"a": "train/covid/1.png", "b": "0.png", "where": "test and train"}
    doubles = [twin | {"b": f"test/{scores.image[0]}"}, twin | {"where": "test"}]
    scores = pd.read_csv(place / "scores.csv")
    scores.image = scores.split.str.cat(scores.image, "/")
    scores.to_csv(place / "scores.csv", index=False)
    write_json(folder / "audit.json", {"near_duplicates": {"pairs": doubles}})
    run.evaluate(folder, ["squeezenet"], [2], "sensitivity_98")
    row = pd.read_csv(folder / "metrics.csv").iloc[0]
    assert row.cv_threshold == row.threshold / 2 and row.cv_specificity < row.specificity
    assert row.cv_positive == row.validation_positive == 22
    assert row.cv_patients == row.validation_patients == 11
    test = scores[scores.split == "test"].iloc[1:]
    assert row.doubles == 1 and row.auc_without_doubles == auc(test.label, test.score)
    points = pd.read_csv(folder / "operating_points.csv")
    assert set(points.model) == {"squeezenet"} and points.chosen_on.nunique() == 3
    assert len(tables.operating_points_table(folder / "operating_points.csv")) == 3


def test_calibration_has_a_row_per_training_and_a_dash_where_it_is_not_known(folder):
    rows = tables.summaries(folder)
    rows[1]["calibration"] = {"brier": 0.1}
    found = tables.calibration(rows)
    assert found.brier.iloc[0].startswith(f"{rows[0]['calibration']['brier']:.4f} (")
    assert (found.iloc[1] == "-").all()
