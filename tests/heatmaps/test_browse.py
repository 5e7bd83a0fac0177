"""The image browser of notebook 05, without a browser."""

import re

import numpy as np
import pytest

from deepcovid.report import browse


@pytest.mark.slow
def test_a_runs_images_are_browsed_with_score_maps_and_lesions(phantoms):
    played = browse.heatmaps(phantoms)
    image, drawn = played.controls["image"], played.draw(model="squeezenet", image=0)
    assert image.max == len(phantoms.originals("test").query("label == 1")) - 1
    rows = [axis for axis in drawn.axes if axis.images]
    assert [axis.get_ylabel() for axis in rows] == ["image", "occlusion 9 px", "Grad-CAM"]
    assert all(len(axis.collections) == 1 for axis in rows)  # the lesions' outline
    scores = phantoms.scores("squeezenet", 0).set_index("image").score
    seen = set()
    for number in range(image.max + 1):
        image.value = number
        name, score = re.fullmatch(r"(\S+), squeezenet: .* = (\S+)", played.words.value).groups()
        np.testing.assert_allclose(float(score), scores[name], atol=5e-4)
        seen.add(played.picture.value)
    assert len(seen) == image.max + 1
