"""A run's files: its numbers beside itself, kept until what they are made from changes."""

import numpy as np
import torch

from deepcovid import runs
from deepcovid.heatmaps import maps, masks, study, summary, tables


def test_a_run_writes_its_numbers_beside_itself_and_no_picture_into_them(phantoms, monkeypatch):
    found = study.run(phantoms)
    assert found == runs.read_json(phantoms.folder / "heatmaps.json")
    assert found["notice"] == runs.NOTICE and found["model"] == "squeezenet"
    scores = phantoms.scores("squeezenet", 0).set_index("image").score[found["images"]["image"]]
    np.testing.assert_allclose(scores, found["images"]["score"], atol=1e-3)
    assert set(found["agreement"]["mask"]) == {"lesion", "lung"}
    kept = np.load(phantoms.folder / "heatmaps" / "maps.npz")
    assert all(m.shape == (8, 64, 64) for m in kept.values()) and "Grad-CAM" in kept
    monkeypatch.setattr(maps, "occlusion", None)  # a second call computes nothing
    assert study.run(phantoms) == found
    table = tables.wide(summary.numbers(found))
    assert list(table.loc["lesion"].index)[-1] == "random maps" and table.notna().all(axis=None)
    assert (summary.lungs(found).images == 8).all() and "lung" in tables.answer(found)
    assert len(tables.randomised_table(found)) == 2


def test_the_examples_are_the_first_images_with_what_was_marked_on_them(phantoms):
    inputs, outlined = study.examples(phantoms, 2)
    table = masks.chosen(phantoms, "test")
    assert torch.equal(inputs, maps.read(phantoms.paths(table.image[:2]), 64))
    assert np.array_equal(outlined[1], masks.read(phantoms, "lesion", table.image[1]))
    assert set(study.of_all_models(phantoms, inputs)) == {"squeezenet"}
