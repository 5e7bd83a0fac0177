import pandas as pd
import pytest
from conftest import user_error

from deepcovid.metrics import published, run, tables
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


def test_delong_compares_every_pair_of_models_and_seeds(folder):
    scores = tables.scores_of(folder)
    same = {key: scores["squeezenet", 2].assign(score=lambda t, k=k: t.score ** (k + 1))
            for k, key in enumerate([("a", 0), ("a", 1), ("b", 0)])}  # fmt: skip
    found = tables.delong_table(same)
    assert list(found.index) == [
        "a, seed 0 - a, seed 1",
        "a, seed 0 - b, seed 0",
        "a, seed 1 - b, seed 0",
    ]
    assert (found.difference == 0).all() and (found.p == 1).all()
    with user_error("resnet18, seed 2 and squeezenet, seed 10 were not scored on the same images"):
        tables.delong_table(scores)


def test_intervals_say_whether_patients_or_images_were_resampled(folder):
    rows = tables.summaries(folder)
    table = tables.intervals(rows)
    assert list(table.columns) == ["value", "by image", "by patient"] and len(table) == 6
    old = [{k: v for k, v in row.items() if k != "by_patient"} | {"by_image": row["by_patient"]}
           for row in rows]  # fmt: skip
    assert list(tables.intervals(old).columns) == ["value", "by image", "by image, resampled"]


def test_the_answer_is_about_this_run(folder):
    rows = tables.summaries(folder)
    told = tables.answer(rows)
    assert "102 test images of 51 patients, 22 of them COVID-19" in told
    for row in rows:
        assert (
            f"**squeezenet, seed {row['seed']}**: ROC AUC {row['auc']:.3f} ({row['auc_low']:.3f}"
            in told
        )
        assert f"sensitivity {row['sensitivity']:.3f}" in told
    assert f"{rows[0]['specificity']:.3f}" in told


def test_the_metrics_table_says_which_rank_stands_for_98_percent(folder):
    shown = tables.metrics_table(folder / "metrics.csv")
    assert shown["specificity at 98% sensitivity"][0].endswith("(22 of 22 found)")
    blank = pd.DataFrame({"model": ["resnet18"], "weights": ["not run"]})
    path = folder / "metrics.csv"
    pd.concat([pd.read_csv(path), blank]).to_csv(path, index=False)
    assert list(tables.metrics_table(path).iloc[-1])[2:] == ["not run"] + [""] * 6


def test_every_claim_is_counted_with_its_verdict():
    row = {"model": "squeezenet", "seed": 0, "weights": "x.pth"}
    row |= {"auc": 0.992, "auc_low": 0.985, "auc_high": 0.997}
    for end, value in (("", 0.95), ("_low", 0), ("_high", 0.99)):
        row[f"specificity_at_98_sensitivity{end}"] = value
    told = tables.claims_told(published.compare([row]))
    assert told == (
        "of 8 published claims **1 reproduced**, **1 not contradicted**, **6 not testable here**"
    )
