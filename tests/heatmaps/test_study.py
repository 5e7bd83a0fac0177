"""A run's files: its numbers beside itself, kept until what they are made from changes; and models
of which is known what they look at: the maps find it, and not what it is not."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from deepcovid import imports, runs
from deepcovid.heatmaps import (
    agreement,
    calibration,
    claim,
    maps,
    masks,
    radiographs,
    study,
    tables,
)


@pytest.fixture(scope="module")
def calibrated():
    """What maps show of networks of which it is known what they look at; half a minute."""
    return calibration.calibrate()


@pytest.fixture
def peaks(calibrated):
    return calibrated.set_index(["taught", "mask", "method"])


@pytest.mark.slow
def test_a_model_taught_lesions_points_at_lesions(peaks):
    ours = peaks.loc["lesion", "lesion"]
    assert (ours.auc > 0.9).all() and (ours["mean"] > ours.random_high).all()


@pytest.mark.slow
def test_a_model_taught_a_marker_points_at_it_and_not_at_lesions(peaks):
    ours = peaks.loc["marker"].xs("occlusion", level="method")
    assert (ours.auc > 0.95).all()
    assert ours["mean"]["marker"] > 0.9 and ours["mean"]["lesion"] < 0.1


@pytest.mark.slow
def test_each_mask_and_method_has_a_row_with_its_interval(calibrated):
    assert len(calibrated) == 6 and (calibrated.low <= calibrated["mean"]).all()


@pytest.mark.slow
def test_a_run_writes_its_numbers_beside_itself_and_no_picture_into_them(
    phantoms, calibrated, monkeypatch
):
    monkeypatch.setattr(study.calibration, "calibrate", lambda: calibrated)
    study.run(phantoms)
    found = runs.read_json(phantoms.folder / "heatmaps.json")
    files = {name: pd.read_csv(phantoms.folder / f"{name}.csv") for name in study.FILES}
    each, claims = files["maps"], files["claims"]
    assert (claims.captured_low <= claims.captured).all() and claims.verdict.notna().all()
    assert claims.group.value_counts().to_dict() == {"test": 2, "train": 2}
    assert found["notice"] == runs.NOTICE and found["model"] == "squeezenet"
    own = each[(each.group == "test") & each.model.notna()]
    scores = phantoms.scores("squeezenet", 0).set_index("image").score[own.image]
    np.testing.assert_allclose(scores, own.score, atol=1e-3)
    assert set(own["mask"]) == {"lesion", "lung"}
    made = np.load(phantoms.folder / "heatmaps" / "squeezenet" / "test-occlusion-9-px.npy")
    assert made.shape == (8, 64, 64)
    numbers = claim.numbers(each, found)
    assert list(numbers.method)[-1] == "random maps" and numbers.notna().all(axis=None)
    assert (tables.lungs(each).images == 8).all() and len(tables.lungs(each)) == 5
    assert claim.calibrated(files["map_calibration"])["occlusion"]
    points = files["curves"].groupby(["curve", "method"]).size()
    assert set(points["contained"]) == {len(agreement.SHARES)}
    assert set(points["deletion"].index) == {"occlusion 9 px", "Grad-CAM", "random maps"}

    shown, table = radiographs.own(phantoms, 2), masks.chosen(phantoms)
    inputs = maps.read(phantoms.paths(table.image[:2]), 64)
    assert np.array_equal(shown["pictures"], maps.pictures_of(inputs))
    assert np.array_equal(shown["maps"]["occlusion 9 px"], made[:2])
    assert np.array_equal(shown["masks"][1], masks.read(phantoms, "lesion", table.image[1]))

    with monkeypatch.context() as patch:
        patch.setattr(study, "judge", None)  # a second call computes nothing
        study.run(phantoms)
    (phantoms.folder / "maps.csv").unlink()  # but where a file is gone, all are made again
    study.run(phantoms)
    assert pd.read_csv(phantoms.folder / "maps.csv").equals(each)


def test_other_masks_grades_or_code_are_other_numbers(phantoms, monkeypatch):
    """A changed mask used to leave the agreement as it was."""
    models = {"squeezenet": phantoms.model("squeezenet", 0)}
    trained = masks.with_mask(phantoms, False, ("lesion",)).image[0]
    table = masks.chosen(phantoms)

    def made_from():
        groups = {"test": table, "train": masks.with_mask(phantoms, False, ("lesion",))}
        return study.made_from(phantoms, models, groups)

    seen = {made_from()}
    assert made_from() in seen
    for kind in masks.MASKS:
        path = masks.path_of(phantoms, kind, table.image[0])
        Image.open(path).transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(path)
        seen.add(made_from())
    masks.path_of(phantoms, "lesion", trained).unlink()
    seen.add(made_from())
    (phantoms.data / "brixia.csv").write_text("image\n")
    seen.add(made_from())
    monkeypatch.setattr(study, "code", lambda *modules: "other")
    seen.add(made_from())
    assert len(seen) == 6


def test_stamps_hang_on_the_code_of_all_that_computes():
    """They named their own module only, not those of maps, agreement and masks."""
    names = {"agreement", "calibration", "claim", "maps", "masks", "study"}  # fmt: skip
    files = imports.files("heatmaps.study")
    there = {path.stem for path in files if path.parent.name == "heatmaps"}
    assert names <= there and not {"tables", "figures"} & there
