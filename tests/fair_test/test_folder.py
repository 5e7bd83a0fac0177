from pathlib import Path

import pandas as pd
import pytest
from conftest import draw, user_error

from deepcovid.data import manifest
from deepcovid.fair_test import collection, folder


def test_groups_stay_together_and_both_classes_are_on_both_sides():
    table = pd.DataFrame(
        {"group": [i // 3 for i in range(120)], "label": [i // 3 % 2 for i in range(120)]}
    )
    parts = folder.split(table)
    assert parts.groupby(table.group).nunique().eq(1).all()
    assert (pd.crosstab(table.label, parts).test == 15).all()
    assert not folder.split(table, seed=1).equals(parts)


@pytest.mark.slow
@pytest.mark.parametrize("others", [True, False])
def test_a_folder_holds_the_collection_and_on_demand_other_negatives(confounded, tmp_path, others):
    image = confounded.originals("train").query("label == 1").image.iloc[0]
    draw((confounded.data / "lung-masks" / image).with_suffix(".png"), 1, 0, 48)
    made = manifest.make(folder.write(confounded, tmp_path / "fair", others), 0)
    (mask,) = (tmp_path / "fair" / "lung-masks").rglob("*.png")
    assert mask.name.endswith(Path(image).name)
    assert (tmp_path / "fair" / mask.relative_to(tmp_path / "fair" / "lung-masks")).is_file()
    own = made[made.source == "collection"]
    expected = collection.of(confounded)
    assert sorted(own.sha1) == sorted(expected.sha1)
    assert own.groupby(["split", "label"]).size().gt(0).sum() == 4
    assert own.groupby("patient").split.nunique().eq(1).all()
    rest = made[made.source != "collection"]
    assert set(zip(rest.source, rest.split, rest.label, strict=True)) == (
        {("release", "train", 0)} if others else set()
    )
    with user_error("is there already"):
        folder.write(confounded, tmp_path / "fair", others)
