"""Maps of the radiographs that may be shown: made of a run, kept as numbers, shown without torch."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from deepcovid.heatmaps import figures, maps, radiographs
from deepcovid.study import Missing, Study


@pytest.fixture
def folder(tmp_path):
    """A folder as `results/radiographs`, of two drawn pictures."""
    made = tmp_path / "study" / "radiographs"
    made.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name in ("a.jpg", "b.jpg"):
        Image.fromarray(rng.integers(0, 255, (80, 64), np.uint8)).save(made / name)
    table = pd.DataFrame({"file": ["a.jpg", "b.jpg"], "view": ["PA", "AP"]})
    table.to_csv(made / "radiographs.csv", index=False)
    return made


@pytest.fixture
def published(folder):
    study = Study(str(folder.parent))
    study.published = True
    return study


def of_run(path, name):
    table = pd.read_csv(path)
    return table[table.run == name].reset_index(drop=True)


@pytest.mark.slow
def test_a_run_writes_its_scores_and_maps_in_place_of_its_former_ones(phantoms, folder, published):
    radiographs.make(phantoms, folder)
    scores, kept = folder / "scores.csv", folder / "maps.csv"
    first = {path: path.read_bytes() for path in (scores, kept)}
    other = [pd.read_csv(path).assign(run="other") for path in (scores, kept)]
    for table, path in zip(other, (scores, kept), strict=True):
        table.to_csv(path, index=False)
    radiographs.make(phantoms, folder)
    radiographs.make(phantoms, folder)
    name = phantoms.profile.name
    for path, table in zip((scores, kept), other, strict=True):
        assert len(pd.read_csv(path)) == 2 * len(table)
        assert of_run(path, name).drop(columns="run").equals(table.drop(columns="run"))
    assert first[scores].count(b"\n") == 3

    inputs = maps.read([folder / "a.jpg", folder / "b.jpg"], 64)
    model = phantoms.model("squeezenet", 0)
    np.testing.assert_allclose(
        of_run(scores, name).score, maps.probability(model, inputs), atol=1e-3
    )
    shown = radiographs.of(published)
    heat = maps.grad_cam(model, inputs)[1]
    np.testing.assert_allclose(
        shown["maps"][f"Grad-CAM\n{name}"][1], radiographs.squares(heat), rtol=1e-2, atol=1e-5
    )
    assert [title.split("\n")[0] for title in shown["titles"]] == ["PA", "AP"]
    drawn = figures.overlays(**shown)
    assert (
        len([axis for axis in drawn.axes if axis.images]) == 2 * 5 and " | " in shown["titles"][0]
    )


def test_squares_are_the_means_of_their_places():
    heat = np.zeros((64, 64))  # squares of 4 px, a rest of 8
    heat[4:8, 8:12] = 3
    found = radiographs.squares(heat)
    assert found.shape == (14, 14) and found[1, 2] == 3 and found.sum() == 3


def test_a_study_without_maps_shows_none(published):
    assert isinstance(published.table("radiographs/maps.csv"), Missing)
    assert radiographs.of(published) is None
