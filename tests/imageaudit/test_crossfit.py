"""How well something tells the classes, and that chance is what it is said to be."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from imageaudit import crossfit, permutation, probes


def table(labels, patients=None, splits=""):
    patients = [f"p{i}" for i in range(len(labels))] if patients is None else patients
    return pd.DataFrame({"label": labels, "patient": patients, "split": splits})


def test_a_column_that_is_the_label_tells_all_and_noise_tells_nothing():
    rng = np.random.default_rng(0)
    label = np.repeat(["a", "b"], (60, 40))
    rows = crossfit.patient_rows(table(label))
    asked = [(label == "b")[:, None] * 1.0, rng.normal(size=(100, 3)), np.ones((100, 1))]
    answers, rate = permutation.max_statistic_test([crossfit.cross_fit(x, rows) for x in asked])
    assert answers[0].auc == 1 and answers[0].p == 0.001 and answers[0].alarm
    assert not answers[1].alarm and answers[1].p > 0.01
    assert answers[2].auc == 0.5 and not answers[2].alarm
    assert rate <= permutation.LEVEL and 0.6 <= answers[1].smallest_auc < 0.8


def test_the_auc_of_a_given_split_is_that_of_its_test_images():
    rng = np.random.default_rng(1)
    label = rng.permutation(np.repeat(["a", "b"], 50))
    x = (label == "b")[:, None] + rng.normal(size=(100, 1))
    split = np.where(np.arange(100) < 60, "train", "test")
    found = crossfit.cross_fit(x, crossfit.patient_rows(table(label, splits=split)))
    test = split == "test"
    assert np.isnan(found.score[~test]).all()
    expected = roc_auc_score(label[test] == "b", x[test, 0])
    assert found.auc[0, 0] == pytest.approx(expected)
    assert roc_auc_score(label[test] == "b", found.score[test, 0]) == pytest.approx(expected)
    assert found.low[0] < expected < found.high[0]


def test_a_patient_with_many_images_counts_once():
    """Ten images of one patient in each class are not twenty witnesses."""
    label = ["a"] * 14 + ["b"] * 14
    patient = ["x"] * 10 + list("klmn") + ["y"] * 10 + list("opqr")
    rows = crossfit.patient_rows(table(label, patient))
    assert len(rows.patient) == 10 and rows.labels.shape == (1 + crossfit.COPIES, 10)
    assert (rows.labels.sum(axis=1) == 5).all()


def test_of_three_classes_the_one_that_is_told_is_named():
    label = np.repeat(["a", "b", "c"], 20)
    rows = crossfit.patient_rows(table(label))
    answers, _ = permutation.max_statistic_test(
        [crossfit.cross_fit((label == "c")[:, None] * 1.0, rows)]
    )
    assert rows.classes[rows.targets[answers[0].class_index]] == "c" and answers[0].alarm


def test_classes_with_too_few_patients_are_not_told():
    rows = crossfit.patient_rows(table(["a"] * 9 + ["b"] * 9 + ["c"] * 2))
    assert [rows.classes[i] for i in rows.targets] == ["a", "b"]
    assert crossfit.patient_rows(table(["a"] * 9 + ["b"] * 2)).targets == ()
    assert crossfit.patient_rows(table(["a", "b"] * 9, ["one"] * 18)).targets == ()


def test_a_split_with_too_few_test_patients_is_not_judged_on():
    split = ["train"] * 18 + ["test"] * 2
    rows = crossfit.patient_rows(table(["a", "b"] * 10, splits=split))
    assert set(rows.fold) == set(range(crossfit.FOLDS)) and rows.targets


@pytest.mark.slow
def test_honest_questions_raise_the_alarm_as_rarely_as_is_said(monkeypatch):
    """At a level of 10%, so that few datasets are enough to see it."""
    monkeypatch.setattr(permutation, "LEVEL", 0.1)
    monkeypatch.setattr(permutation, "LARGE", 0.5)
    monkeypatch.setattr(crossfit, "COPIES", 99)
    monkeypatch.setattr(crossfit, "RESAMPLES", 2)
    rng, alarms = np.random.default_rng(2), 0
    for _ in range(150):
        label = np.repeat(["a", "b"], (24, 12))
        rows = crossfit.patient_rows(table(label), seed=int(rng.integers(1e9)))
        asked = [rng.normal(size=(36, 40)), rng.integers(0, 2, (36, 1)) * 1.0]
        asked.append(asked[0] + 0.1)  # the same once more
        answers, _ = permutation.max_statistic_test(
            [crossfit.cross_fit(x, rows, penalty=3.6) for x in asked]
        )
        alarms += any(answer.alarm for answer in answers)
    assert 5 <= alarms <= 27  # 15 expected; 99.8% of binomial draws


def test_columns_become_few_words():
    words, why = probes.bin_values(pd.Series(["PA"] * 6 + ["AP"] * 3 + [""]))
    assert not why and set(words) == {"PA", "AP", "not stated"}
    words, why = probes.bin_values(pd.Series([*range(100), *[1024] * 50]))
    assert not why and words.nunique() <= 12 and (words[100:] == "1024").all()
    days = pd.Series([20230000 + 100 * (i % 12 + 1) + i // 12 for i in range(240)])
    assert probes.bin_values(days)[0].nunique() == 10
    assert probes.bin_values(pd.Series(["x"] * 5))[1] == "always x"
    assert probes.bin_values(pd.Series([""] * 5))[1] == "never stated"
    ages = [*map(str, range(18, 90))]
    words, why = probes.bin_values(pd.Series([*ages, *["NA", "nan", "?", ">90"] * 10]))
    assert not why and words.nunique() == 12 and (words == "not stated").sum() == 30
    assert (words == ">90").sum() == 10
    assert "its own" in probes.bin_values(pd.Series([f"id{i}" for i in range(200)]))[1]


def test_a_sample_has_every_class_and_whole_patients_first():
    label = np.repeat(["a", "b"], (9000, 300))
    patient = np.arange(9300) // 3
    at = probes.sample(label, np.full(9300, ""), patient)
    assert len(at) == probes.SAMPLE and (label[at] == "b").sum() == 300
    a = pd.Series(patient[at][label[at] == "a"]).value_counts()
    assert (a == 3).sum() >= len(a) - 1
