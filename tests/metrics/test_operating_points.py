import numpy as np
import pandas as pd
import pytest
from scipy.stats import beta

from deepcovid.metrics import intervals
from deepcovid.metrics import run as points


def table(split, label, score, patient=None):
    made = pd.DataFrame({"split": split, "label": label, "score": score})
    made["patient"] = [f"{split}{i}" for i in range(len(made))] if patient is None else patient
    return made


@pytest.fixture
def scores():
    return pd.concat([
        table("validation", [0, 0, 1, 1], [0.1, 0.2, 0.6, 0.7]),
        table("test", [0, 0, 1, 1], [0.5, 0.65, 0.8, 0.9], ["a", "b", "c", "c"]),
    ])  # fmt: skip


def test_each_threshold_comes_from_the_images_it_is_said_to_come_from(scores):
    cross_validated = table("train", [0, 1, 1, 1], [0.1, 0.55, 0.9, 0.9], list("xyyz"))
    found = points.operating_points(scores, cross_validated)
    at = found.set_index("chosen_on")
    assert list(at.threshold) == [0.6, 0.55, 0.8]
    assert list(at.specificity) == [0.5, 0.5, 1] and list(at.sensitivity) == [1, 1, 1]
    assert list(at.n_positive) == [2, 3, 2] and list(at.n_patients) == [2, 2, 1]
    assert at.index[2].startswith("test images (in sample")
    alone = points.operating_points(scores)
    assert points.CROSS_VALIDATED not in set(alone.chosen_on)


def test_test_scores_move_only_the_point_that_was_tuned_on_them(scores):
    before = points.operating_points(scores)
    scores.loc[(scores.split == "test") & (scores.label == 1), "score"] = [0.3, 0.9]
    after = points.operating_points(scores)
    same = before.threshold == after.threshold
    assert set(before.chosen_on[~same]) == {points.TEST}


def test_intervals_on_test_count_patients(scores):
    found = points.operating_points(scores)
    row = found.set_index("chosen_on").loc[points.VALIDATION]
    # both COVID-19 images are of one patient, and found
    ends = row.sensitivity_low, row.sensitivity_high
    assert ends == pytest.approx(intervals.proportion_interval(1, 1))
    assert (row.specificity_low, row.specificity_high) == (0, 1)


def test_what_so_many_of_so_many_guarantee():
    assert intervals.sensitivity_lower_bound(8, 8) == pytest.approx(0.05 ** (1 / 8))
    assert intervals.sensitivity_lower_bound(98, 100) == pytest.approx(beta.ppf(0.05, 98, 3))
    assert intervals.sensitivity_lower_bound(0, 5) == 0


def test_the_guarantee_is_kept_by_thresholds_at_the_lowest_of_eight():
    random = np.random.default_rng(0)
    lowest = random.normal(size=(4000, 8)).min(axis=1)
    reached = np.array([(random.normal(size=2000) >= one).mean() for one in lowest[:1500]])
    kept = (reached >= intervals.sensitivity_lower_bound(8, 8)).mean()
    assert kept == pytest.approx(0.95, abs=0.02)


def test_only_images_that_the_model_itself_scored_guarantee_a_sensitivity():
    """And where all are right the interval is Wilson's, not a point."""
    parts = [table(split, [1, 1, 0, 0], [0.9, 0.8, 0.1, 0.2], list("abcd"))
             for split in ("validation", "test")]  # fmt: skip
    found = points.operating_points(pd.concat(parts), parts[0].assign(fold=0))
    found = found.set_index("chosen_on")
    assert found.guaranteed_by_image.notna().to_dict() == {
        points.VALIDATION: True, points.CROSS_VALIDATED: False, points.TEST: False,
    }  # fmt: skip
    assert (found.specificity == 1).all() and (found.specificity_low < 0.5).all()


def test_a_patient_counts_as_found_where_all_of_its_images_are():
    row = points.choice(table("train", [1, 1, 1, 0], [0.9, 0.1, 0.8, 0.2], list("aabc")), 0.5)
    assert (row["n_positive"], row["n_patients"]) == (3, 2)
    assert row["guaranteed_by_image"] == intervals.sensitivity_lower_bound(2, 3)
    assert row["guaranteed_by_patient"] == intervals.sensitivity_lower_bound(1, 2)
