import numpy as np
import pandas as pd
import pytest
from conftest import user_error
from sklearn.metrics import brier_score_loss, roc_auc_score

from deepcovid.metrics import evaluation, intervals, published

RNG = np.random.default_rng(0)


def scores(positives=30, negatives=120, digits=None):
    """Overlapping scores; few digits make ties."""
    rng = np.random.default_rng(positives)
    label = np.r_[np.ones(positives, int), np.zeros(negatives, int)]
    score = np.r_[rng.beta(4, 2, positives), rng.beta(2, 4, negatives)]
    return label, score if digits is None else score.round(digits)


def by_hand(label, score):
    """AUC and DeLong's variance by their definitions, over all pairs."""
    p, n = score[label == 1], score[label == 0]
    pairs = (p[:, None] > n).astype(float) + 0.5 * (p[:, None] == n)
    variance = pairs.mean(1).var(ddof=1) / len(p) + pairs.mean(0).var(ddof=1) / len(n)
    return pairs.mean(), variance


@pytest.mark.parametrize("digits", [None, 1])
def test_auc_and_its_interval_agree_with_all_pairs_and_scikit_learn(digits):
    label, score = scores(digits=digits)
    value, variance = by_hand(label, score)
    assert intervals.auc(label, score) == pytest.approx(value, abs=1e-12)
    assert intervals.auc(label, score) == pytest.approx(roc_auc_score(label, score), abs=1e-12)
    low, high = intervals.auc_interval(label, score)
    half = 1.959964 * np.sqrt(variance) / (value * (1 - value))
    assert np.log(high / (1 - high)) - np.log(value / (1 - value)) == pytest.approx(half, rel=1e-5)
    assert 0 < low < value < high < 1


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
    assert evaluation.confusion(label, score, 0.8) == {"tp": 2, "fn": 1, "fp": 1, "tn": 1}
    assert evaluation.at_sensitivity(label, score, 0.98) == (0.4, 0.5)
    assert evaluation.choose_threshold(label, score, "youden") == 0.4
    assert evaluation.choose_threshold(label, score, 0.3) == 0.3


def test_edge_cases():
    assert intervals.auc([0, 1, 0], [0.5] * 3) == 0.5
    perfect = ([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9])
    assert intervals.auc(*perfect) == 1 and intervals.auc_interval(*perfect) == (1, 1)
    assert evaluation.at_sensitivity(*perfect) == (0.8, 1)
    one = ([0, 0, 1], [0.1, 0.6, 0.5])
    assert intervals.auc(*one) == 0.5
    assert np.isnan(intervals.auc_interval(*one)).all()
    for label, score in (([1, 1], [0.1, 0.2]), ([0, 2], [0.1, 0.2]), ([], [])):
        with user_error("both classes"):
            intervals.auc(label, score)
    for bad in (np.nan, -0.1, 1.1, np.inf):
        with user_error("from 0 to 1"):
            intervals.auc([0, 1], [0.5, bad])


def test_intervals_of_shares_are_the_known_ones():
    # 98 of 100: the paper's +-2.7; Wilson 1927 and Clopper and Pearson 1934 by their formulas
    low, high = intervals.proportion_interval(98, 100, "gaussian")
    assert 0.98 - low == pytest.approx(0.0274, abs=1e-4) and high == 1
    z, p, n = 1.959964, 0.98, 100
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    assert intervals.proportion_interval(98, 100) == pytest.approx(
        (middle - half, middle + half), abs=1e-6
    )
    assert intervals.proportion_interval(100, 100, "clopper_pearson") == pytest.approx(
        (0.025**0.01, 1)
    )
    with user_error("at least one image"):
        intervals.proportion_interval(0, 0)


def test_calling_all_non_covid_is_right_96_77_percent_of_the_time():
    table = pd.DataFrame(
        {
            "split": "test",
            "label": [1] * 100 + [0] * 3000,
            "score": np.r_[np.full(100, 0.3), np.linspace(0, 0.4, 3000)],
        }
    )
    row = evaluation.summary(table, 0.5)
    assert (row["tp"], row["tn"]) == (0, 3000)
    assert row["accuracy"] == row["null_accuracy"] == pytest.approx(0.9677, abs=5e-5)
    assert row["auc"] == pytest.approx(0.75, abs=0.001)


def test_one_changed_score_changes_the_summary():
    label, score = scores()
    table = pd.DataFrame(
        {
            "split": ["test"] * 100 + ["validation"] * 50,
            "label": RNG.permutation(label),
            "score": RNG.permutation(score),
        }
    )
    before = evaluation.summary(table, "youden")
    table.loc[table.index[table.split == "test"][0], "score"] = 0.99
    assert evaluation.summary(table, "youden") != before
    with user_error("chosen on validation"):
        evaluation.summary(table[table.split == "test"], "youden")


def test_the_threshold_comes_from_validation_not_from_test():
    table = pd.DataFrame(
        {
            "split": ["validation"] * 4 + ["test"] * 4,
            "label": [0, 0, 1, 1] * 2,
            "score": [0.1, 0.2, 0.6, 0.7, 0.5, 0.65, 0.8, 0.9],
        }
    )
    assert evaluation.summary(table, "sensitivity_98")["threshold"] == 0.6
    shown = evaluation.optimism(table)
    assert shown.threshold["sensitivity_98", "validation"] == 0.6
    assert shown.specificity["sensitivity_98", "validation"] == 0.5
    assert shown.specificity["sensitivity_98", "test"] == 1


def test_delong_test_agrees_with_all_pairs_and_is_symmetric():
    label, first = scores()
    second = np.clip(first + RNG.normal(0, 0.2, len(label)), 0, 1)
    found, mirrored = (
        intervals.delong_test(label, first, second),
        intervals.delong_test(label, second, first),
    )
    assert found["difference"] == pytest.approx(
        by_hand(label, first)[0] - by_hand(label, second)[0]
    )
    assert found["difference"] == pytest.approx(-mirrored["difference"])
    assert found["p"] == pytest.approx(mirrored["p"]) and 0 < found["p"] < 1
    assert found["low"] < found["difference"] < found["high"]
    same = intervals.delong_test(label, first, first**2)  # another scale, the same ranks
    assert (same["difference"], same["p"]) == (0, 1)
    # under the null, p is uniform
    noise = np.random.default_rng(1).random((300, 2, len(label)))
    p = [intervals.delong_test(label, a, b)["p"] for a, b in noise]
    assert 0.02 < np.mean(np.array(p) < 0.05) < 0.09


def test_bootstrap_agrees_with_recomputing_each_resample():
    label, score = scores(12, 30, digits=1)
    patient = np.r_[np.arange(12) // 2, 100 + np.arange(30) // 3]
    found = evaluation.bootstrap(label, score, patient, threshold=0.5, resamples=300)
    random = np.random.default_rng(5)
    values = {key: [] for key in found}
    for _ in range(2000):
        rows = []
        for group in (np.unique(patient[label == 0]), np.unique(patient[label == 1])):
            for name in random.choice(group, len(group)):
                rows += np.flatnonzero(patient == name).tolist()
        y, s = label[rows], score[rows]
        counts = evaluation.confusion(y, s, 0.5)
        values["auc"].append(roc_auc_score(y, s))
        values["sensitivity"].append(counts["tp"] / (y == 1).sum())
        values["specificity"].append(counts["tn"] / (y == 0).sum())
        values["specificity_at_98_sensitivity"].append(evaluation.at_sensitivity(y, s)[1])
    for key, interval in found.items():
        assert interval == pytest.approx(np.quantile(values[key], (0.025, 0.975)), abs=0.07), key


def test_repeated_images_of_a_patient_widen_the_interval():
    label, score = scores(20, 60)
    repeated = np.repeat(label, 4), np.repeat(score, 4)
    by_image = evaluation.bootstrap(*repeated)["auc"]
    by_patient = evaluation.bootstrap(*repeated, np.repeat(np.arange(80), 4))["auc"]
    assert by_patient[1] - by_patient[0] > 1.6 * (by_image[1] - by_image[0])


def test_calibration():
    label, score = scores()
    table, found = evaluation.calibration(label, score)
    assert found["brier"] == pytest.approx(brier_score_loss(label, score))
    assert table.images.sum() == len(label)
    _, perfect = evaluation.calibration([0, 0, 0, 1], [0.25] * 4)
    assert perfect["calibration_error"] == pytest.approx(0)
    _, wrong = evaluation.calibration([0, 1, 0, 1], [0.95, 0.05, 0.95, 0.05])
    assert wrong["calibration_error"] == pytest.approx(0.95)


def test_the_sweep_holds_its_points_and_three_intervals():
    label, score = scores()
    table = evaluation.sweep(label, score, (0.3, 0.6))
    assert table.sensitivity[0.6] == (score[label == 1] >= 0.6).mean()
    assert table.specificity[0.3] == (score[label == 0] < 0.3).mean()
    for method in intervals.INTERVALS:
        low, high = map(float, table[f"specificity {method}"][0.6].split(" to "))
        assert low < table.specificity[0.6] < high


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
    )
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


def test_published_numbers_and_verdicts():
    claims = published.published()
    final = claims[claims.images == published.FINAL]
    assert len(final) == 12 and set(final.model) == {
        "resnet18",
        "resnet50",
        "squeezenet",
        "densenet121",
    }
    ours = {
        "model": "squeezenet",
        "weights": "x.pth",
        "auc": 0.992,
        "auc_low": 0.985,
        "auc_high": 0.997,
        "specificity_at_98_sensitivity": 0.99,
        "specificity_at_98_sensitivity_low": 0.95,
        "specificity_at_98_sensitivity_high": 0.995,
    }
    random = ours | {"model": "resnet18", "weights": "random"}
    verdicts = published.compare([ours, random]).set_index(["claim", "model"]).verdict
    assert len(verdicts) == 8
    assert verdicts["auc", "squeezenet"] == "reproduced"
    assert (
        verdicts["specificity_at_98_sensitivity", "squeezenet"] == "not reproduced: ours is higher"
    )
    assert verdicts["auc", "resnet18"] == verdicts["auc", "densenet121"] == "not testable here"
    low = published.compare([ours | {"auc": 0.9, "auc_low": 0.88, "auc_high": 0.92}])
    assert low.set_index(["claim", "model"]).verdict["auc", "squeezenet"].endswith("lower")
