"""What notebook 08 shows is what its files say, as mean and range and never as a best one."""

import numpy as np
import pandas as pd
import pytest

from deepcovid import steps
from deepcovid.fair_test import figures, tables
from deepcovid.fair_test.names import EVERYTHING, RELEASE, SAME
from deepcovid.fair_test.study import by_finding
from deepcovid.study import Study

CANDIDATE = {"model": "m", "classifier": "ridge", "preprocessing": "none", "images": 10, "border": 0.6, "frame": 0.5,
             "within_low": 0.1, "within_high": 0.9, "external": 0.7, "external_low": 0.6,
             "external_high": 0.8, "external_positives": 4, "external_negatives": 5,
             "external_border": 0.64, "external_frame": 0.6}  # fmt: skip


@pytest.fixture
def candidates():
    rows = [
        {"trained_on": "release", "within": 0.55, "site": np.nan, "criterion": np.nan},
        {"trained_on": "release", "within": 0.65, "site": np.nan, "criterion": np.nan},
        {"trained_on": "collection", "within": 0.9, "site": 0.5, "criterion": 0.5},
        {"trained_on": "collection", "within": 0.7, "site": 0.6, "criterion": 0.6},
    ]
    return pd.DataFrame([CANDIDATE | of for of in rows]).assign(chosen=[False, False, False, True])


@pytest.fixture
def within():
    row = {"question": EVERYTHING, "recipe": "regression", "weights_kind": "pretrained",
           "positives": 330, "negatives": 84, "groups": 255}  # fmt: skip
    seen = (("whole picture", "a", 0.70), ("whole picture", "b", 0.76),
            ("outer 5% of each side", "a", 0.55))  # fmt: skip
    return pd.DataFrame([
        row | {"input": name, "model": model, "auc": auc, "case_low": auc - 0.08, "case_high": auc + 0.08}
        for name, model, auc in seen
    ])  # fmt: skip


def test_training_data_without_a_criterion_are_shown_by_their_auc_on_cases(candidates):
    """The release's sites are not known: no criterion, and still a column to compare with."""
    shown = tables.training_data(candidates).T
    assert shown.index.tolist() == ["release", "collection, chosen"]
    assert shown["AUC, held-out cases"].str.startswith(("0.650", "0.700")).all()
    assert shown.loc["release", ["criterion", "AUC, sites left out"]].tolist() == ["-", "-"]


def test_an_external_auc_is_shown_beside_the_border_there(candidates):
    shown = tables.training_data(candidates)
    assert shown.loc["AUC, external"].str.startswith("0.700").all()
    assert (shown.loc["border; framing, external"] == "0.640; 0.600").all()


def test_several_networks_are_their_mean_and_range_with_all_intervals(within):
    shown = tables.probes(within, "question").loc[EVERYTHING]
    assert shown["whole picture, pretrained"] == "0.730 (0.620 to 0.840)"
    assert (shown["COVID-19 + other images"], shown.cases) == ("330 + 84", 255)


def test_findings_leave_out_what_was_trained_on_and_count_images_and_cases():
    scores = pd.DataFrame({
        "finding": ["COVID-19", "COVID-19", *["SARS"] * 4, "rare", "SARS"],
        "label": [1, 1, 0, 0, 0, 0, 0, 0], "group": [1, 2, 3, 3, 4, 4, 5, 6],
        "trained": [False] * 7 + [True], "score": [0.9, 0.1, 0.5, 0.6, 0.4, 0.2, 0.7, 0.9],
    })  # fmt: skip
    found = by_finding(scores, 0.5).set_index("finding")
    assert found.index.tolist() == ["COVID-19", "all without COVID-19", "SARS", "other findings"]
    assert found.loc["SARS", ["images", "cases", "called"]].tolist() == [4, 2, 0.5]
    assert found.loc["all without COVID-19", ["images", "called"]].tolist() == [5, 0.6]
    assert found.called_low["SARS"] < 0.5 < found.called_high["SARS"]


def test_a_study_runs_a_step_once(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(steps, "make", lambda file, run: asked.append(run))
    study = Study(str(tmp_path))
    monkeypatch.setattr(study, "run", lambda name: name)
    for name in ("swap", "within"):
        assert not len(study.table(f"paper/fair_test/{name}.csv"))
    assert asked == ["paper"]
    (tmp_path / "fair_test").mkdir()
    (tmp_path / "fair_test" / "swap.csv").write_text("auc\n0.5\n")
    monkeypatch.setenv("DEEPCOVID_MADE", "yes")  # as the workflow sets it
    again = Study(str(tmp_path))
    assert len(again.table("paper/fair_test/swap.csv")) == 1 and asked == ["paper"]
    assert not len(again.table("of_no_run.csv"))


def test_every_seed_of_both_kinds_of_negatives_is_drawn():
    row = {"model": "resnet18", "specificity": 0.5, "specificity_low": 0.4, "specificity_high": 0.6,
           "positives": 100, "auc": 0.7, "case_low": 0.6, "case_high": 0.8}  # fmt: skip
    table = pd.DataFrame([
        row | {"seed": seed, "non_covid": kind, "negatives": n}
        for seed in (0, 1) for kind, n in ((RELEASE, 3000), (SAME, 84))
    ])  # fmt: skip
    figure = figures.swapped(table)
    assert [len(axis.containers) for axis in figure.axes] == [2, 2]
    assert sum(len(bars.lines[0].get_xdata()) for bars in figure.axes[0].containers) == len(table)
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend[1] == "Non-COVID images of the same collection (84)"
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == ["ResNet18"]


def test_the_aim_says_of_each_target_whether_it_is_reached(candidates):
    metrics = pd.DataFrame({"auc": [0.79, 0.83, np.nan]})
    rows = [("net", 0, 0.9, "auc"), ("net", 0, 0.1, "sensitivity"), ("border alone", np.nan, 0.65, "auc"),
            ("framing alone", np.nan, 0.6, "auc")]  # fmt: skip
    external = pd.DataFrame(rows, columns=["model", "seed", "value", "quantity"])
    shown = tables.aim(candidates, metrics, external)
    assert shown.target.tolist() == ["at least 0.80"] * 2 + ["below 0.65"] * 2
    assert shown["chosen candidate (95% interval)"].tolist() == [
        "0.700 (0.100 to 0.900): not reached", "0.700 (0.600 to 0.800): not reached",
        "0.640: reached", "0.600: reached",
    ]  # fmt: skip
    assert shown["recipe fair (range of seeds)"].tolist() == [
        "0.810 (0.790 to 0.830): reached", "0.900: reached", "0.650: not reached", "0.600: reached",
    ]  # fmt: skip
    assert tables.aim(candidates, [], []).columns.tolist() == shown.columns.tolist()[:2]
