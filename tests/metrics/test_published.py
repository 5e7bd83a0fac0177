import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from deepcovid.metrics import evaluation, intervals, published
from deepcovid.runs import RESULTS

SPECIFICITY = {"metric": "specificity_at_98_sensitivity", "value": 0.929, "half_width": 0.009}


def write_model(folder, model, seed, positive, weights="x.pth"):
    """Scores on test: 40 COVID-19 images at `positive`, 200 Non-COVID spread from 0 to 1."""
    place = folder / model / f"seed{seed}"
    place.mkdir(parents=True)
    table = pd.DataFrame({"label": [1] * 40 + [0] * 200, "split": "test"})
    random = np.random.default_rng(seed)
    table["score"] = np.r_[positive + random.uniform(-0.01, 0.01, 40), np.linspace(0, 0.99, 200)]
    table["image"] = [f"{i}.png" for i in range(240)]
    table["patient"] = table.image
    table.to_csv(place / "scores.csv", index=False)
    row = {"model": model, "seed": seed, "weights": weights}
    return row | evaluation.summary(table, 0.5)


def test_the_published_numbers():
    claims = published.published()
    final = claims[claims.images == published.FINAL]
    assert len(final) == 12
    assert set(final.model) == {"resnet18", "resnet50", "squeezenet", "densenet121"}
    assert published.published_values()["auc", "squeezenet"] == 0.992


def test_each_claim_has_a_verdict(tmp_path):
    rows = [
        write_model(tmp_path, "squeezenet", 10, 0.9),
        write_model(tmp_path, "squeezenet", 2, 0.95),
        write_model(tmp_path, "resnet18", 0, 0.9, "random"),
        write_model(tmp_path, "a network that the paper has not", 0, 0.9),
    ]
    pd.DataFrame(rows).to_csv(tmp_path / "metrics.csv", index=False)
    table = published.compare(tmp_path).set_index(["claim", "model"])
    assert len(table) == 8
    row = table.loc["auc", "squeezenet"]
    assert row.verdict == "not equivalent: ours is lower"
    assert row.ours == pytest.approx(0.935, abs=0.005)  # the mean of both seeds
    row = table.loc["specificity_at_98_sensitivity", "squeezenet"]
    assert row.ours == pytest.approx(0.95, abs=0.02)  # of the lowest seed
    assert row.verdict == "not contradicted: no lower end"
    assert set(table.verdict.loc[:, "resnet18"]) == {"not testable here"}
    assert set(table.verdict.loc[:, "densenet121"]) == {"not testable here"}


@pytest.mark.parametrize(("low", "high", "verdict", "margin"), [
    (0.988, 0.996, "equivalent", 0.004),
    (0.986, 0.996, "undecided", 0.006),
    (0.988, 0.998, "undecided", 0.006),
    (0.998, 0.999, "not equivalent: ours is higher", 0.007),
    (0.95, 0.98, "not equivalent: ours is lower", 0.042),
])  # fmt: skip
def test_equivalence_asks_for_the_whole_interval_within_the_margin(low, high, verdict, margin):
    assert published.equivalence(low, high, 0.992, 0.005) == verdict
    assert published.smallest_margin(low, high, 0.992) == pytest.approx(margin)


def test_the_margin_is_one_at_which_every_claim_can_fail_on_both_sides():
    claims = published.published().query("metric == 'auc' and images == @published.FINAL")
    assert claims.value.max() + published.MARGIN < 1
    # and the paper's best and worst network are not both equivalent to one number between them
    assert claims.value.max() - claims.value.min() > 2 * published.MARGIN


def test_two_one_sided_tests_err_in_5_percent_on_the_margin():
    """Scores whose true AUC lies on the lower margin are called equivalent in about 5%."""
    random, claimed = np.random.default_rng(0), 0.9
    label, found = np.repeat([1, 0], [150, 300]), 0
    shift = np.sqrt(2) * norm.ppf(claimed - 0.05)
    for _ in range(400):
        score = np.r_[random.normal(shift, 1, 150), random.normal(0, 1, 300)]
        score = 1 / (1 + np.exp(-score))
        ends = intervals.mean_auc_interval(label, score, level=published.LEVEL)[1:]
        found += published.equivalence(*ends, claimed, 0.05) == "equivalent"
    assert 0.02 < found / 400 < 0.09


def test_without_a_lower_end_a_number_is_not_contradicted_and_not_reproduced():
    judge = published.specificity_verdict
    assert judge(SPECIFICITY, 0.95, 0.0, 0.99) == "not contradicted: no lower end"
    assert judge(SPECIFICITY, 0.85, 0.0, 0.9) == "not reproduced: ours is lower"
    assert judge(SPECIFICITY, 0.97, 0.95, 0.99) == "not reproduced: ours is higher"
    # half a width of the published number is its own
    assert judge(SPECIFICITY, 0.95, 0.935, 0.99) == "reproduced"
    assert judge(SPECIFICITY, 0.91, 0.9, 0.923) == "reproduced"


def test_the_rule_is_applied_to_controls():
    table = published.auc_controls(RESULTS)
    kinds = table.groupby("what").size()
    assert kinds["control: untrained network"] == 4 and kinds["control: released recipe"] == 2
    assert {"control: outer 5% of each side", "control: 8 x 8 pixels"} <= set(kinds.index)
    # the rule can fail, and fails the released recipe, which finds 1 to 5 of 100
    released = table[(table.what == "control: released recipe") & (table.model == "resnet18")]
    assert released.verdict.item() == "not equivalent: ours is lower"
    # the 90% interval of a control lies within its 95%
    reduced = pd.read_csv(RESULTS / "paper" / "shortcuts.csv")
    for row in reduced[reduced.kind.isin(["border", "coarse"])].to_dict("records"):
        if (what := f"control: {row['input']}") in kinds:
            own = table[table.what == what].iloc[0]
            assert row["patient_low"] < own.low < own.ours < own.high < row["patient_high"]
    assert (table.smallest_margin > 0).all() and (table.low < table.ours).all()
