import shutil

import numpy as np
import pytest
import torch
from conftest import changed, draw

from deepcovid.failure.bench import Bench
from scripts import auc_search

pytestmark = pytest.mark.slow  # left out by ./run_tests.sh --fast


def test_the_search_reads_test_images_as_each_candidate_says(run, tmp_path):
    other = tmp_path / "elsewhere"
    for i in range(4):
        draw(other / "covid" / f"a{i}.png", 700 + i, 70)
        draw(other / "non" / f"b{i}.png", 800 + i)
    shared = run.paths(run.manifest.image[run.manifest.label == 1])[0]
    shutil.copy(shared, other / "covid" / "z.png")  # known, so no test image
    (other / "covid" / "Thumbs.db").write_text("no image")
    given = changed(run, models=("resnet18",), weights="random", epochs=3, external=str(other))
    found = auc_search.auc_search(given, "resnet18", ("resnet18",), (0,), negatives=5)
    rows = found.set_index("candidate")
    assert set(found.candidate) >= {f"test images: {name}" for name in auc_search.READINGS}
    assert rows.auc["class order exchanged on test"] == pytest.approx(
        1 - rows.auc["the failed recipe"]
    )
    assert rows.images["the failed recipe"] == 20
    assert rows.images["test images of another dataset"] == 8
    assert rows.images["test images: not normalised"] == 8 + 5
    # an image that is read as in training is scored as in training
    bench = Bench(given, "resnet18", "pretrained")
    cell = auc_search.CELL | {"epochs": 3}
    scores, _, head = auc_search.trained_head(bench, cell, 0)
    paths = given.paths(bench.test.image)
    again = auc_search.read_otherwise(bench, {0: head}, paths, auc_search.normalise)[0]
    np.testing.assert_allclose(again, scores[-1], atol=1e-5)
    # and a head trained on images read as ever is the same head
    inputs = auc_search.inputs_otherwise(bench, bench.test, auc_search.normalise)
    same, label, _ = auc_search.trained_head(bench, cell, 0, inputs)
    np.testing.assert_allclose(same, scores, atol=1e-5)
    assert list(label) == list(bench.test.label)
    wrong = {f"all images: {name}" for name in auc_search.WRONG_THROUGHOUT}
    assert wrong <= set(found.candidate)
    grey = torch.full((3, 8, 8), 0.25)
    assert torch.allclose(auc_search.READINGS["not normalised"](grey), grey)
    assert torch.allclose(
        auc_search.READINGS["negative (white lungs)"](grey), auc_search.normalise(3 * grey)
    )
