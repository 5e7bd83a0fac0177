"""The swap tells a score that knows the source from one that knows the disease."""

import pandas as pd
import pytest
from conftest import user_error

from deepcovid.fair_test import collection, study
from deepcovid.fair_test.names import RELEASE, SAME


def aucs(run):
    table = collection.with_trained(run, collection.of(run))
    return study.swap(run, study.scored(run, table)).set_index("non_covid").auc


@pytest.mark.slow
def test_where_source_and_class_are_the_same_the_score_falls_with_the_swap(confounded):
    auc = aucs(confounded)
    assert auc[RELEASE] > 0.95
    assert auc[SAME] < 0.7


@pytest.mark.slow
def test_where_the_disease_tells_the_classes_the_swap_changes_little(honest):
    auc = aucs(honest)
    assert auc[RELEASE] > 0.9
    assert auc[SAME] > 0.85


def test_both_test_sets_have_the_same_positives_and_no_case_that_was_trained_on():
    inside = pd.DataFrame({
        "image": ["a", "b", "c"], "split": ["test", "test", "train"], "label": [1, 0, 1],
        "score": [0.9, 0.1, 0.8], "patient": ["p", "q", "r"],
    })  # fmt: skip
    outside = pd.DataFrame({
        "image": ["d", "e", "f"], "label": [0, 0, 1], "trained": [False, True, False],
        "group": [1, 2, 3], "score": [0.5, 0.6, 0.7],
    })  # fmt: skip
    found = study.swapped(inside, outside)
    assert found[RELEASE].image.tolist() == ["a", "b"]
    assert found[SAME].image.tolist() == ["a", "d"]


def test_the_numbers_of_a_test_set_are_those_counted_by_hand():
    table = pd.DataFrame(
        {"label": [1, 1, 0, 0], "score": [0.9, 0.4, 0.5, 0.1], "patient": list("abcd")}
    )
    found = study.summary(table, 0.45)
    assert (found["auc"], found["sensitivity"], found["specificity"]) == (0.75, 0.5, 0.5)
    assert (found["positives"], found["negatives"]) == (2, 2)


def test_what_belongs_together_is_one_group():
    """a and b share a patient, b and c a case: one group. d is known by nothing: its own."""
    table = pd.DataFrame({"patient": ["p", "p", "q", "", ""], "case": ["", "x", "x", "", "y"]})
    found = collection.groups(table, pd.DataFrame({"one": [], "other": []}, dtype=int))
    assert found[0] == found[1] == found[2]
    assert len({found[0], found[3], found[4]}) == 3
    twins = collection.groups(table, pd.DataFrame({"one": [0], "other": [4]}))
    assert twins[0] == twins[4] != twins[3]


def test_a_collection_that_lacks_something_is_refused(honest, tmp_path):
    folder = tmp_path / "collection"
    good = pd.read_csv(folder / "metadata.csv")
    good.drop(columns="finding").to_csv(folder / "metadata.csv", index=False)
    with user_error("lacks finding"):
        collection.of(honest)
    good.iloc[1:].to_csv(folder / "metadata.csv", index=False)
    with user_error("has no row"):
        collection.of(honest)
    pd.concat([good, good.iloc[:1]]).to_csv(folder / "metadata.csv", index=False)
    with user_error("lists more than once"):
        collection.of(honest)
    name = good.name[0]
    (folder / "non" / name).write_bytes((folder / "covid" / name).read_bytes())
    good.to_csv(folder / "metadata.csv", index=False)
    with user_error("has one name for several images"):
        collection.of(honest)
    (folder / "metadata.csv").unlink()
    with user_error("metadata.csv is not there"):
        collection.of(honest)


def test_what_is_known_of_the_runs_own_images_is_known_here(honest, monkeypatch):
    """View, sex and age come along: blank for one source only, they would tell the class."""
    real = collection.measure.collection
    known = {"view": "PA", "sex": "F", "age": 61.0}
    monkeypatch.setattr(collection.measure, "collection", lambda *a: real(*a).assign(**known))
    own = collection.inner(honest)
    assert (own["view"] == "PA").all() and (own.sex == "F").all() and (own.age == "61").all()
