import numpy as np
import pandas as pd
import pytest
from conftest import user_error
from scipy.special import expit
from sklearn.metrics import brier_score_loss, confusion_matrix

from deepcovid.metrics import evaluation, intervals

RNG = np.random.default_rng(0)


def test_a_hand_worked_curve():
    label, score = [1, 1, 0, 1, 0], [0.9, 0.8, 0.8, 0.4, 0.1]
    # pairs won: 0.9 beats both; 0.8 ties one and beats one; 0.4 beats one: 2 + 1.5 + 1 of 6
    assert intervals.auc(label, score) == pytest.approx(4.5 / 6)
    fpr, tpr, thresholds = evaluation.roc(label, score)
    assert list(zip(fpr, tpr, thresholds, strict=True))[1:] == [
        (0, 1 / 3, 0.9),
        (0.5, 2 / 3, 0.8),
        (0.5, 1, 0.4),
        (1, 1, 0.1),
    ]
    assert intervals.confusion(label, score, 0.8) == {"tp": 2, "fn": 1, "fp": 1, "tn": 1}
    assert evaluation.at_sensitivity(label, score, 0.98) == (0.4, 0.5)


def test_calling_all_non_covid_is_right_96_77_percent_of_the_time():
    table = pd.DataFrame(
        {
            "split": "test",
            "label": [1] * 100 + [0] * 3000,
            "score": np.r_[np.full(100, 0.3), np.linspace(0, 0.4, 3000)],
            "patient": np.arange(3100),
        }
    )
    row = evaluation.summary(table, 0.5)
    assert (row["tp"], row["tn"]) == (0, 3000)
    assert row["accuracy"] == row["null_accuracy"] == pytest.approx(0.9677, abs=5e-5)
    assert row["auc"] == pytest.approx(0.75, abs=0.001)


def test_one_changed_score_changes_the_summary(overlapping):
    label, score = overlapping()
    table = pd.DataFrame(
        {
            "split": ["test"] * 100 + ["validation"] * 50,
            "label": RNG.permutation(label),
            "score": RNG.permutation(score),
            "patient": np.arange(150),
        }
    )
    before = evaluation.summary(table, "sensitivity_98")
    table.loc[table.index[table.split == "test"][0], "score"] = 0.99
    assert evaluation.summary(table, "sensitivity_98") != before
    with user_error("chosen on validation"):
        evaluation.summary(table[table.split == "test"], "sensitivity_98")


def test_the_threshold_comes_from_validation_not_from_test():
    table = pd.DataFrame(
        {
            "split": ["validation"] * 4 + ["test"] * 4,
            "label": [0, 0, 1, 1] * 2,
            "score": [0.1, 0.2, 0.6, 0.7, 0.5, 0.65, 0.8, 0.9],
        }
    )
    assert evaluation.choose_threshold(table, "sensitivity_98") == 0.6
    assert evaluation.choose_threshold(table, 0.3) == 0.3


def test_calibration(overlapping):
    label, score = overlapping()
    table, _ = evaluation.calibration(label, score)
    assert table.images.sum() == len(label)
    _, perfect = evaluation.calibration([0, 0, 0, 1], [0.25] * 4)
    assert perfect == pytest.approx(0)
    _, wrong = evaluation.calibration([0, 1, 0, 1], [0.95, 0.05, 0.95, 0.05])
    assert wrong == pytest.approx(0.95)


def test_recalibration_finds_the_slope_and_intercept_that_scores_were_moved_by():
    random = np.random.default_rng(1)
    x = random.normal(-1, 2, 4000)
    label = (random.uniform(size=len(x)) < expit(x)).astype(int)
    patient = np.arange(len(x)) // 2
    calibrated = evaluation.recalibration(label, expit(x), patient)
    assert calibrated["slope"] == pytest.approx(1, abs=0.1)
    assert calibrated["intercept"] == pytest.approx(0, abs=0.1)
    moved = evaluation.recalibration(label, expit(2 * x), patient)
    assert moved["slope"] == pytest.approx(calibrated["slope"] / 2, abs=1e-3)
    assert moved["slope_low"] < 0.5 < moved["slope_high"]
    assert evaluation.recalibration(label, expit(x + 1), patient)["intercept"] == pytest.approx(
        calibrated["intercept"] - 1, abs=1e-6
    )
    assert calibrated["brier"] == pytest.approx(brier_score_loss(label, expit(x)))


def test_repeated_images_of_a_patient_widen_the_intervals_of_calibration(overlapping):
    label, score = overlapping(30, 60)
    four = np.repeat(label, 4), np.repeat(score, 4)
    by_image = evaluation.recalibration(*four, np.arange(360))
    by_patient = evaluation.recalibration(*four, np.repeat(np.arange(90), 4))
    for name in ("brier", "slope", "intercept"):
        assert by_patient[name] == pytest.approx(by_image[name])
        width = [row[f"{name}_high"] - row[f"{name}_low"] for row in (by_patient, by_image)]
        assert width[0] > 1.6 * width[1], name


def test_scores_that_separate_the_classes_have_no_slope():
    found = evaluation.recalibration([0, 0, 1, 1], [0.1, 0.2, 0.8, 1.0], range(4))
    assert found["slope"] is None and found["intercept_low"] < 0 < found["intercept_high"]
    assert found["brier"] < 0.03
    reversed_ = evaluation.recalibration([1, 1, 0, 0], [0.1, 0.2, 0.8, 1.0], range(4))
    even = evaluation.recalibration([0, 0, 1, 1], [0.5] * 4, range(4))
    assert reversed_["slope"] is even["slope"] is None and even["intercept"] == pytest.approx(0)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("score", np.nan, "b.png"),
        ("score", 1.5, "b.png"),
        ("label", 3, "b.png"),
        ("image", "a.png", "twice"),
    ],
)
def test_scores_that_are_no_scores_are_refused_by_name(tmp_path, column, value, message):
    table = pd.DataFrame(
        {"image": ["a.png", "b.png"], "split": "test", "label": [0, 1], "score": [0.1, 0.2]}
    ).assign(patient="p")
    path = tmp_path / "scores.csv"
    table.to_csv(path, index=False)
    assert evaluation.read_scores(path).equals(table)
    table[column] = table[column].astype(object)
    table.loc[1, column] = value
    table.to_csv(path, index=False)
    with user_error(message):
        evaluation.read_scores(path)
    table.drop(columns="split").to_csv(path, index=False)
    with user_error("split"):
        evaluation.read_scores(path)


def test_a_score_on_the_threshold_is_called_covid_everywhere():
    score = np.array([0.49, 0.5, 0.51])
    assert intervals.predict_positive(score, 0.5).tolist() == [False, True, True]
    assert intervals.predict_positive(pd.Series(score), 0.5).tolist() == [False, True, True]
    dead = np.full(4, 0.5)  # a head that answers 0.5 to all
    assert intervals.confusion([0, 0, 1, 1], dead, 0.5) == {"tp": 2, "fn": 0, "fp": 2, "tn": 0}


def test_confusion_is_scikit_learns(overlapping):
    label, score = overlapping(digits=1)
    tn, fp, fn, tp = confusion_matrix(label, score >= 0.5).ravel()
    assert intervals.confusion(label, score, 0.5) == {"tp": tp, "fn": fn, "fp": fp, "tn": tn}


@pytest.mark.parametrize(("positives", "rank"), [(97, 96), (100, 98), (50, 49), (49, 49), (1, 1)])
def test_the_rank_that_98_percent_sensitivity_asks_for(positives, rank):
    label = np.r_[np.ones(positives, int), np.zeros(positives, int)]
    score = np.r_[np.arange(1, positives + 1), np.zeros(positives)] / (positives + 1)
    threshold, _ = evaluation.at_sensitivity(label, score)
    assert intervals.confusion(label, score, threshold)["tp"] == rank


def test_the_summary_counts_patients(overlapping):
    label, score = overlapping()
    table = pd.DataFrame({"image": range(150), "split": "test", "label": label, "score": score})
    row = evaluation.summary(table.assign(patient=table.image // 2), 0.5)
    assert (row["positive_patients"], row["patients"]) == (15, 75)
    assert row["specificity_at_98_sensitivity_low"] == 0


def test_patients_in_scores_are_read_as_they_are_written(tmp_path):
    path = tmp_path / "scores.csv"
    head = "image,split,label,score,patient\n"
    path.write_text(head + "1.png,test,1,0.5,007\n2.png,test,0,0.25,NA\n")
    table = evaluation.read_scores(path)
    assert list(table.patient) == ["007", "NA"] and list(table.image) == ["1.png", "2.png"]
    assert table.label.dtype == int and list(table.score) == [0.5, 0.25]
    path.write_text(head + "1.png,test,1,0.5,\n")
    with user_error("1.png has or is no patient"):
        evaluation.read_scores(path)
    path.write_text(head + "1.png,test,1,high,7\n")
    with user_error("1.png has or is no score"):
        evaluation.read_scores(path)


def test_net_benefit_is_the_share_found_less_false_alarms_at_the_odds():
    label, score = np.array([1, 1, 0, 0]), np.array([0.9, 0.2, 0.6, 0.1])
    found = evaluation.net_benefit(label, score, [0.05, 0.5, 0.8])
    assert found == pytest.approx([2 / 4 - 2 / 4 / 19, 1 / 4 - 1 / 4, 1 / 4])
