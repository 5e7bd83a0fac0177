"""Maps of the radiographs that may be shown: made of a run, kept as numbers, shown without torch."""

import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from deepcovid import steps
from deepcovid.data import examples
from deepcovid.heatmaps import figures, maps, radiographs
from deepcovid.study import Missing, Study


@pytest.fixture
def published(tmp_path, monkeypatch):
    """A study as `results/`, of two drawn pictures."""
    made = tmp_path / "study" / "radiographs"
    made.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name in ("a.jpg", "b.jpg"):
        Image.fromarray(rng.integers(0, 255, (80, 64), np.uint8)).save(made / name)
    table = pd.DataFrame({"file": ["a.jpg", "b.jpg"], "view": ["PA", "AP"]})
    table.to_csv(made / "radiographs.csv", index=False)
    monkeypatch.setattr(examples, "SHOWN", made)
    study = Study(str(made.parent))
    study.published = True
    return study


@pytest.mark.slow
def test_a_runs_scores_and_maps_are_shown_over_the_radiographs(phantoms, published):
    steps.make("radiographs.csv", phantoms)
    kept = phantoms.folder / "radiographs.csv"
    for run in radiographs.NAMES:
        (published.folder / run).mkdir()
        shutil.copy(kept, published.folder / run)
    inputs = maps.read(examples.hannover().path, 64)
    model = phantoms.model("squeezenet", 0)
    score = pd.read_csv(kept).groupby("file").score.first()
    np.testing.assert_allclose(score, maps.probability(model, inputs), atol=1e-3)
    shown = radiographs.of(published)
    heat = maps.grad_cam(model, inputs)[1]
    np.testing.assert_allclose(
        shown["maps"]["Grad-CAM\nuntrained"][1], radiographs.squares(heat), rtol=1e-2, atol=1e-5
    )
    assert [title.split("\n")[0] for title in shown["titles"]] == ["PA", "AP"]
    drawn = figures.overlays(**shown)
    assert len([axis for axis in drawn.axes if axis.images]) == 2 * 5
    assert " | " in shown["titles"][0]


def test_squares_are_the_means_of_their_places():
    heat = np.zeros((64, 64))  # squares of 4 px, a rest of 8
    heat[4:8, 8:12] = 3
    found = radiographs.squares(heat)
    assert found.shape == (14, 14) and found[1, 2] == 3 and found.sum() == 3


def test_a_study_without_maps_shows_none(published):
    assert isinstance(published.table("paper/radiographs.csv"), Missing)
    assert radiographs.of(published) is None
