"""A run's files: its numbers beside itself, kept until what they are made from changes."""

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from deepcovid import imports, runs
from deepcovid.heatmaps import claim, lesions, maps, masks, study, tables


@pytest.mark.slow
def test_a_run_writes_its_numbers_beside_itself_and_no_picture_into_them(
    phantoms, calibrated, monkeypatch
):
    monkeypatch.setattr(study.calibration, "calibrate", lambda: calibrated)
    found = study.run(phantoms)
    claims, zones = (pd.read_csv(phantoms.folder / f"{name}.csv") for name in ("claims", "zones"))
    assert (claims.captured_low <= claims.captured).all() and claims.verdict.notna().all()
    assert len(claims) == len(tables.claims(found)) and len(zones) == len(claim.zone_numbers(found))
    assert found == runs.read_json(phantoms.folder / "heatmaps.json")
    assert found["notice"] == runs.NOTICE and found["model"] == "squeezenet"
    scores = phantoms.scores("squeezenet", 0).set_index("image").score[found["images"]["image"]]
    np.testing.assert_allclose(scores, found["images"]["score"], atol=1e-3)
    assert set(found["agreement"]["mask"]) == {"lesion", "lung"}
    made = np.load(phantoms.folder / "heatmaps" / "squeezenet" / "test-occlusion-9-px.npy")
    assert made.shape == (8, 64, 64)
    numbers = claim.numbers(found)
    assert list(numbers.method)[-1] == "random maps" and numbers.notna().all(axis=None)
    assert (tables.lungs_table(found).images == 8).all()
    assert claim.calibrated(found)["occlusion"]
    curve = found["lesions"]["curves"][0]
    assert len(curve["low"]) == len(curve["values"]) == len(claim.SHARES)
    assert tables.has_lesions(found) and tables.has_lesions(found, "train")
    assert len(tables.claims(found)) == 2

    inputs, shown, outlined = study.examples(phantoms, 2)
    table = masks.chosen(phantoms)
    assert torch.equal(inputs, maps.read(phantoms.paths(table.image[:2]), 64))
    assert np.array_equal(shown["occlusion 9 px"], made[:2])
    assert np.array_equal(outlined[1], masks.read(phantoms, "lesion", table.image[1]))

    monkeypatch.setattr(study, "judge", None)  # a second call computes nothing
    assert study.run(phantoms) == found


def test_other_masks_grades_or_code_are_other_numbers(phantoms, monkeypatch):
    """A changed mask used to leave the agreement as it was."""
    table, models = masks.chosen(phantoms), {"squeezenet": phantoms.model("squeezenet", 0)}
    before = study.made_from(phantoms, models, table)
    assert study.made_from(phantoms, models, table) == before
    seen = {before}
    for kind in masks.MASKS:
        path = masks.path_of(phantoms, kind, table.image[0])
        Image.open(path).transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(path)
        seen.add(study.made_from(phantoms, models, table))
    masks.path_of(phantoms, "lesion", lesions.trained_on(phantoms).image[0]).unlink()
    seen.add(study.made_from(phantoms, models, table))
    (phantoms.data / "brixia.csv").write_text("image\n")
    seen.add(study.made_from(phantoms, models, table))
    monkeypatch.setattr(study, "code", lambda *modules: "other")
    seen.add(study.made_from(phantoms, models, table))
    assert len(seen) == 6


def test_stamps_hang_on_the_code_of_all_that_computes():
    """They named their own module only, not those of maps, agreement and masks."""
    names = {"agreement", "calibration", "claim", "cached_maps", "faithfulness", "lesions", "maps", "masks",
             "study", "zones"}  # fmt: skip
    files = imports.files("heatmaps.study")
    there = {path.stem for path in files if path.parent.name == "heatmaps"}
    assert names <= there and not {"tables", "figures"} & there
