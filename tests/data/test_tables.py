"""tables.py: the sentences of the answers carry the numbers of the tables that they come from."""

import copy

import pandas as pd
import pytest

from deepcovid.data import tables
from deepcovid.runs import RESULTS, read_json


@pytest.fixture
def real():
    return read_json(RESULTS / "paper" / "audit.json")


def test_the_answer_gives_both_shares_and_both_numbers_of_patients(real):
    here = copy.deepcopy(real)
    for row in here["counts"]:
        row["originals"] = {"COVID-19": 60, "Non-COVID": 200}[row["class"]]
    (row,) = (r for r in real["patients"]["by_split_and_class"]
              if (r["split"], r["class"]) == ("test", "COVID-19"))  # fmt: skip
    row |= {"patients": 61, "patients_by_picture": 60, "in_both_splits": 2}
    text = tables.answer("demo", here, real)
    assert "of its 260 test images 23.1% are COVID-19" in text
    assert "61 recorded patients, 60 once" in text and "58 are new to a trained model" in text
    del row["patients_by_picture"]  # as audits had it before
    assert "61 recorded patients. " in tables.answer("demo", here, real)


def test_leaks_count_copies_files_and_patients_each_once():
    table = pd.DataFrame({
        "image": list("abcdef"), "split": ["train", "validation", "test", "test", "test", "train"],
        "sha1": list("112345"), "patient": ["p", "q", "p", "p", "r", "s"],
    })  # fmt: skip
    training = table[table.split == "train"].assign(augmented_from=["", "c"])
    assert tables.leaks(table, training).tolist() == [1, 1, 0, 1]
    clean = tables.leaks(table[table.split != "test"], training.assign(sha1="9"))
    assert clean.sum() == 0


def test_the_answer_of_augmentation_adds_up():
    before, after = pd.Series({0: 192, 1: 65}), pd.Series({1: 325, 0: 192})
    by_split = {split: {"COVID-19": n, "COVID-19, augmented": 4 * n} for split, n in
                (("train", 75), ("validation", 9))}  # fmt: skip
    text = tables.augmentation_answer(before, after, pd.Series([0, 2]), by_split)
    assert "260 copies join 65" in text and "found 2 leaks" in text
    assert (
        "75 COVID-19 originals and 300 copies" in text and "9 originals and their 36 copies" in text
    )
