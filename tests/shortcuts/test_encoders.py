import numpy as np
import pytest
from conftest import changed
from PIL import Image

from deepcovid.data.augmentation import to_input
from deepcovid.models import features
from deepcovid.shortcuts.ablations import BINS, WHOLE
from deepcovid.shortcuts.encoders import FeatureBank, Histogram


@pytest.fixture
def images(run):
    return run.originals().assign(path=lambda of: run.paths(of.image)).reset_index(drop=True)


def test_histogram_counts_the_grey_levels():
    grey = np.full((10, 10, 3), 255, np.uint8)
    grey[:5] = 0
    found = Histogram()(to_input(10)(Image.fromarray(grey))[None])
    assert found.shape == (1, BINS)
    assert found[0, 0] == found[0, -1] == 0.5


def test_networks_side_by_side_give_what_each_gives_alone(run, images):
    run = changed(run, models=("resnet18", "squeezenet"))
    found = FeatureBank(run, images).encode_models(images, WHOLE, run.profile.models)
    for name in run.profile.models:
        alone = FeatureBank(run, images).encode(images, WHOLE, name)
        assert alone.shape[1] == 512 and np.array_equal(found[name], alone)


def test_images_are_encoded_once(run, images, monkeypatch):
    bank, asked, real = FeatureBank(run, images), [], features.extract
    monkeypatch.setattr(features, "extract", lambda *a: asked.append(a[3]) or real(*a))
    first = bank.encode(images.iloc[[20, 5]], WHOLE, "squeezenet")
    again = bank.encode(images.iloc[[5, 40]], WHOLE, "squeezenet")
    assert np.array_equal(again[0], first[1]) and not np.array_equal(again[0], again[1])
    assert [[*rows] for rows in asked] == [[20, 5], [5, 40]]
    assert bank.encode(images.iloc[[20, 5]], WHOLE, "squeezenet") is first and len(asked) == 2
