"""tables.py: what notebooks 01 and 02 show is what an audit and the files of a run hold."""

import copy

import pytest

from deepcovid.data import figures, tables
from deepcovid.io import read_json
from deepcovid.runs import RESULTS


@pytest.fixture
def real():
    return copy.deepcopy(read_json(RESULTS / "paper" / "audit.json"))


def test_a_dataset_of_which_little_is_known_is_shown_all_the_same(real):
    real["near_duplicates"]["pairs"] = real["disagreements"] = []
    assert len(tables.pair_counts(real)) == len(tables.disagreements(real)) == 0
    assert len(tables.counts(real).columns) == 4
    assert len(tables.counts(real | {"of_release": 0}).columns) == 2
    real["released_augmentation"] = {"available": False}
    assert tables.released(real) == {}


def test_only_the_stated_number_of_copies_is_orange_and_files_stand_apart_from_records(real):
    made = tables.released(real)
    assert tables.copies_look(made).copies.sum() == made["copies"]
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
