"""tables.py: what notebooks 01 and 02 show is what an audit and the files of a run hold."""

import copy

import pandas as pd
import pytest

from deepcovid.data import figures, tables
from deepcovid.io import read_json
from deepcovid.runs import RESULTS


@pytest.fixture
def real():
    return copy.deepcopy(read_json(RESULTS / "paper" / "audit.json"))


def test_the_summary_counts_patients_by_picture_and_names_the_best_property(real):
    (row,) = (r for r in real["patients"]["by_split_and_class"]
              if (r["split"], r["class"]) == ("test", "COVID-19"))  # fmt: skip
    row |= {"patients": 61, "patients_by_picture": 60, "in_both_splits": 2}
    for row in real["counts"]:
        row["originals"] = {"COVID-19": 60, "Non-COVID": 200}[row["class"]]
    best = max((r for r in real["acquisition"] if r["property"] != "age"), key=lambda r: r["auc"])
    best |= {"auc": 0.9876, "low": 0.9, "high": 0.99}
    value = tables.dataset_summary(real)["value (95% interval)"]
    assert value["accuracy of calling every test image Non-COVID"] == "76.92%"
    assert value["patients of the COVID-19 test images"] == "61"
    assert value["of these new to a trained model, by picture"] == "58"
    assert (
        value.loc[f"AUC of the {tables.NAMES[best['property']]} alone"] == "0.988 (0.900 to 0.990)"
    )


def test_a_dataset_of_which_little_is_known_is_shown_all_the_same(real):
    for row in real["acquisition"]:
        for key in ("auc", "low", "high", "rule"):
            row.pop(key)
    assert not tables.dataset_summary(real).index.str.startswith("AUC").any()
    assert len(tables.disagreements(real)) == 5
    real["near_duplicates"]["pairs"], real["views"] = [], {"available": False}
    assert len(tables.pair_counts(real)) == 0 and len(tables.disagreements(real)) == 4
    assert len(tables.counts(real).columns) == 4
    assert len(tables.counts(real | {"of_release": 0}).columns) == 2
    real["released_augmentation"] = {"available": False}
    assert tables.released(real) == {} and len(tables.disagreements(real)) == 2
    assert len(tables.disagreements(real | {"of_release": 0})) == 0


def test_augmentation_adds_up_with_and_without_a_release():
    splits = pd.DataFrame(
        [("train", "COVID-19", 75, 300, 60), ("train", "Non-COVID", 192, 0, 192)],
        columns=["split", "class", "originals", "copies", "patients"],
    ).set_index(["split", "class"])
    leaks = pd.DataFrame({"found": [0, 2], "of": [300, 567]})
    value = tables.augmentation_summary(splits, leaks, {})["value (95% interval)"]
    assert value.tolist() == ["375", "2"]
    made = tables.released(read_json(RESULTS / "paper" / "audit.json"))
    value = tables.augmentation_summary(splits, leaks, made)["value (95% interval)"]
    assert value["copies that are unchanged"] == str(made["copies_look"]["unchanged"])
    assert tables.copies_look(made).copies.sum() == made["copies"]


def test_only_the_stated_number_of_copies_is_orange_and_files_stand_apart_from_records(real):
    made = tables.released(real)
    bars = figures.released_copies(made).axes[0].patches
    orange = [round(bar.get_x() + bar.get_width() / 2) for bar in bars
              if bar.get_facecolor()[:3] != bars[0].get_facecolor()[:3]]  # fmt: skip
    assert orange == [made["stated_images_per_original"] - 1]
    table = tables.acquisition(real)
    axis = figures.acquisition(table).axes[0]
    shown = [label.get_text().partition(" (")[0] for label in axis.get_yticklabels()]
    assert shown == table.index.tolist()
    grey = axis.containers[1].lines[0].get_ydata()
    assert {shown[int(y)] for y in grey} == {"view", "age", "sex"}
