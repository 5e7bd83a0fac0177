from pathlib import Path

import pandas as pd
import pytest
from conftest import draw

from deepcovid.data import manifest
from deepcovid.fair_test import collection


def test_groups_stay_together_and_both_classes_are_on_both_sides():
    table = pd.DataFrame(
        {"group": [i // 3 for i in range(120)], "label": [i // 3 % 2 for i in range(120)]}
    )
    parts = collection.split(table)
    assert parts.groupby(table.group).nunique().eq(1).all()
    assert (pd.crosstab(table.label, parts).test == 15).all()


@pytest.mark.slow
def test_a_folder_holds_the_collection_alone(confounded):
    image = confounded.originals("train").query("label == 1").image.iloc[0]
    draw((confounded.data / "lung-masks" / image).with_suffix(".png"), 1, 0, 48)
    place = collection.fair_data(confounded)
    made = manifest.make(place, 0)
    (mask,) = (place / "lung-masks").rglob("*.png")
    assert mask.name.endswith(Path(image).name)
    assert (place / mask.relative_to(place / "lung-masks")).is_file()
    assert sorted(made.sha1) == sorted(collection.of(confounded).sha1)
    assert set(made.source) == {"collection"}
    assert made.groupby(["split", "label"]).size().gt(0).sum() == 4
    assert made.groupby("patient").split.nunique().eq(1).all()
    before = (place / "patients.csv").read_bytes()
    (place / "train" / "left.txt").touch()
    assert collection.fair_data(confounded) == place  # made anew
    assert (place / "patients.csv").read_bytes() == before
    assert not (place / "train" / "left.txt").exists()
