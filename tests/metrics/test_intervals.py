import numpy as np
import pytest
from conftest import user_error
from scipy.stats import binomtest, norm
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
    assert intervals.proportion_interval(100, 100, "beta") == pytest.approx((0.025**0.01, 1))
    for method, name in (("wilson", "wilson"), ("beta", "exact")):
        known = binomtest(93, 97).proportion_ci(method=name)
        assert intervals.proportion_interval(93, 97, method) == pytest.approx(known)


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
    # apart without any spread: every pair is on the other side
    turned = intervals.delong_test([0, 0, 1, 1], [0.1, 0.1, 0.9, 0.9], [0.9, 0.9, 0.1, 0.1])
    assert (turned["difference"], turned["p"]) == (1, 0)
    # under the null, p is uniform
    noise = np.random.default_rng(1).random((300, 2, len(label)))
    p = [intervals.delong_test(label, a, b)["p"] for a, b in noise]
    assert 0.02 < np.mean(np.array(p) < 0.05) < 0.09


def test_resamples_are_those_of_images_weighted_by_their_patients_draws(overlapping):
    label, score = overlapping(12, 30, digits=1)
    patient = np.r_[np.arange(12) // 2, 100 + np.arange(30) // 3]
    found = intervals.resample_auc(label, score, patient, resamples=50, seed=3)
    random, weight = np.random.default_rng(3), np.zeros((50, len(label)))
    for value in (0, 1):
        rows = np.flatnonzero(label == value)
        names, group = np.unique(patient[rows], return_inverse=True)
        share = np.full(len(names), 1 / len(names))
        weight[:, rows] = random.multinomial(len(names), share, 50)[:, group]
    weighted = [roc_auc_score(label, score, sample_weight=one) for one in weight]
    assert found == pytest.approx(weighted, abs=1e-12)


def test_scores_in_repeats_give_the_mean_of_each_repeats_resamples(overlapping):
    label, score = overlapping(12, 30, digits=1)
    patient, scores = np.arange(42) // 3, np.array([score, np.roll(score, 5)])
    one, other = (intervals.resample_auc(label, each, patient, 20) for each in scores)
    both = intervals.resample_auc(label, scores, patient, 20)
    assert both == pytest.approx((one + other) / 2)


def test_repeated_images_of_a_patient_widen_the_interval(overlapping):
    label, score = overlapping(20, 60)
    repeated = np.repeat(label, 4), np.repeat(score, 4)
    by_image = intervals.resample_auc(*repeated, np.arange(320))
    by_patient = intervals.resample_auc(*repeated, np.repeat(np.arange(80), 4))
    assert by_patient.std() > 1.6 * by_image.std()


def test_the_clustered_error_of_an_auc_is_that_of_resampled_patients(overlapping):
    label, score = overlapping(40, 80, digits=1)
    patient = np.r_[np.arange(40) // 2, 100 + np.arange(80) // 4]
    _, low, high = intervals.mean_auc_interval(label, score, patient)
    resampled = np.quantile(intervals.resample_auc(label, score, patient), (0.025, 0.975))
    assert (low, high) == pytest.approx(resampled, abs=0.02)
    assert intervals.mean_auc_interval(label, score)[1:] == intervals.auc_interval(label, score)


def test_patients_with_images_of_both_classes_widen_or_narrow_by_their_covariance():
    # two patients; in each, a high positive goes with a low negative: their placements vary together
    label, patient = np.array([1, 1, 0, 0]), np.array([0, 1, 0, 1])
    above, below = np.array([1.0, 0.5]), np.array([1.0, 0.5])
    # sums over patients (0.25, -0.25) / 2 for both classes: 2 (2 x 0.125 squared) x (1 + 1 + 2)
    expected = np.sqrt(2 * 2 * 0.125**2 * 4)
    assert intervals.clustered_error(label, above, below, patient) == pytest.approx(expected)


def test_seeds_that_differ_widen_a_comparison_and_several_are_averaged(overlapping):
    label, first = overlapping(40, 80)
    random = np.random.default_rng(0)
    noisy = np.clip(first + random.normal(0, 0.4, (3, len(first))), 0, 1)
    found = intervals.delong_test(label, first, noisy)
    each = [intervals.auc(label, one) for one in noisy]
    assert found["difference"] == pytest.approx(intervals.auc(label, first) - np.mean(each))
    error = (found["high"] - found["low"]) / (2 * norm.ppf(0.975))
    above, below = (a - b for a, b in zip(
        intervals.placements(label, first), intervals.placements(label, noisy), strict=True))  # fmt: skip
    alone = intervals.clustered_error(label, above, below)
    assert error == pytest.approx(np.hypot(alone, np.std(each, ddof=1) / np.sqrt(3)))


def test_one_patient_of_a_class_has_no_error():
    with user_error("two patients of each class"):
        intervals.mean_auc_interval([0, 0, 1, 1], [0.1, 0.6, 0.5, 0.9], [0, 1, 2, 2])


def normal_scores(random, positives, negatives, repeats=1):
    """Scores whose specificity at 98% sensitivity is known, each positive `repeats` times."""
    positive = np.repeat(random.normal(3, 2, positives), repeats)
    logit = np.r_[positive, random.normal(-4, 1.8, negatives)]
    label = np.r_[np.ones(positives * repeats, int), np.zeros(negatives, int)]
    true = norm.cdf((3 + 2 * norm.ppf(0.02) + 4) / 1.8)
    return label, 1 / (1 + np.exp(-logit)), true


@pytest.mark.parametrize(("positives", "repeats"), [(97, 1), (183, 1), (400, 1), (59, 2)])
def test_the_interval_of_specificity_at_98_percent_sensitivity_covers(positives, repeats):
    random = np.random.default_rng(positives)
    patient = np.r_[np.repeat(np.arange(positives), repeats), 1000 + np.arange(1000)]
    hits = 0
    for _ in range(400):
        label, score, true = normal_scores(random, positives, 1000, repeats)
        low, high = intervals.at_sensitivity_interval(label, score, patient)
        hits += low <= true <= high
        assert (low > 0) == (positives >= 183)
    assert hits >= 0.95 * 400


def test_the_interval_at_a_sensitivity_by_hand():
    four = np.r_[np.ones(4, int), np.zeros(4, int)]
    # of 4 positives 0 to 4 lie below their median in 95%: no lower end, nor an upper one
    assert intervals.at_sensitivity_interval(four, np.arange(8) / 8, range(8), 0.5) == (0, 1)
    # of 40 positives 14 to 26: the threshold is from the 14th score to the 27th, 0.14 to 0.27
    label = np.r_[np.ones(40, int), np.zeros(10, int)]
    for others, below in ((0.13, (10, 10)), (0.14, (0, 10)), (0.26, (0, 10)), (0.27, (0, 0))):
        score = np.r_[np.arange(1, 41) / 100, np.full(10, others)]
        assert intervals.at_sensitivity_interval(label, score, range(50), 0.5) == (
            intervals.proportion_interval(below[0], 10)[0],
            intervals.proportion_interval(below[1], 10)[1],
        )


def test_patients_count_not_images():
    values = np.repeat([0.0, 1.0, 0.0, 1.0, 1.0], 20)
    _, low, high = intervals.patient_interval(values, np.arange(100))
    mean, wide_low, wide_high = intervals.patient_interval(values, np.repeat(np.arange(5), 20))
    assert mean == 0.6 and wide_low < low < 0.6 < high < wide_high
    assert (low, high) == pytest.approx(intervals.proportion_interval(60, 100), abs=0.02)


def test_a_roc_band_holds_the_curve_and_counts_patients(overlapping):
    label, score = overlapping(30, 120)
    fpr = np.array([0, 0.1, 0.5, 1])
    curve, low, high = intervals.roc_band(label, score, np.arange(150), fpr)
    wrong, found, _ = evaluation.roc(label, score)
    assert curve == pytest.approx([found[wrong <= f + 1e-12].max() for f in fpr])
    assert (low <= curve).all() and (curve <= high).all() and curve[-1] == low[-1] == 1
    # every image three times, of one patient: no more is known
    often = np.repeat(label, 3), np.repeat(score, 3)
    image = np.repeat(np.arange(len(label)), 3)
    wide = np.ptp(intervals.roc_band(*often, image, fpr)[1:, 1])
    assert wide == pytest.approx(high[1] - low[1], abs=0.03)
    assert np.ptp(intervals.roc_band(*often, np.arange(450), fpr)[1:, 1]) < 0.8 * wide


def test_a_share_of_all_has_an_interval_all_the_same():
    value, low, high = intervals.share_interval(np.ones(20), np.repeat(np.arange(5), 4))
    assert value == 1 and high == 1 and low == intervals.proportion_interval(5, 5)[0] < 0.6
    some = np.r_[np.ones(10), np.zeros(10)]
    assert intervals.share_interval(some, np.arange(20)) == intervals.patient_interval(
        some, np.arange(20)
    )
