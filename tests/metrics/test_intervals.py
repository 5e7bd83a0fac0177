import numpy as np
import pytest
from conftest import user_error
from sklearn.metrics import roc_auc_score

from deepcovid.metrics import evaluation, intervals

RNG = np.random.default_rng(0)


def by_hand(label, score):
    """AUC and DeLong's variance by their definitions, over all pairs."""
    p, n = score[label == 1], score[label == 0]
    pairs = (p[:, None] > n).astype(float) + 0.5 * (p[:, None] == n)
    variance = pairs.mean(1).var(ddof=1) / len(p) + pairs.mean(0).var(ddof=1) / len(n)
    return pairs.mean(), variance


@pytest.mark.parametrize("digits", [None, 1])
def test_auc_and_its_interval_agree_with_all_pairs_and_scikit_learn(digits, overlapping):
    label, score = overlapping(digits=digits)
    value, variance = by_hand(label, score)
    assert intervals.auc(label, score) == pytest.approx(value, abs=1e-12)
    assert intervals.auc(label, score) == pytest.approx(roc_auc_score(label, score), abs=1e-12)
    low, high = intervals.auc_interval(label, score)
    half = 1.959964 * np.sqrt(variance) / (value * (1 - value))
    assert np.log(high / (1 - high)) - np.log(value / (1 - value)) == pytest.approx(half, rel=1e-5)
    assert 0 < low < value < high < 1


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


def test_delong_test_agrees_with_all_pairs_and_is_symmetric(overlapping):
    label, first = overlapping()
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


def test_bootstrap_agrees_with_recomputing_each_resample(overlapping):
    label, score = overlapping(12, 30, digits=1)
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


def test_repeated_images_of_a_patient_widen_the_interval(overlapping):
    label, score = overlapping(20, 60)
    repeated = np.repeat(label, 4), np.repeat(score, 4)
    by_image = evaluation.bootstrap(*repeated)["auc"]
    by_patient = evaluation.bootstrap(*repeated, np.repeat(np.arange(80), 4))["auc"]
    assert by_patient[1] - by_patient[0] > 1.6 * (by_image[1] - by_image[0])
