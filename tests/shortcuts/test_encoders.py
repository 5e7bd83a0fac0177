import numpy as np
from PIL import Image

from deepcovid.data.augmentation import to_input
from deepcovid.shortcuts.ablations import BINS
from deepcovid.shortcuts.encoders import Histogram


def test_histogram_counts_the_grey_levels():
    grey = np.full((10, 10, 3), 255, np.uint8)
    grey[:5] = 0
    found = Histogram()(to_input(10)(Image.fromarray(grey))[None])
    assert found.shape == (1, BINS)
    assert found[0, 0] == found[0, -1] == 0.5
