import numpy as np
import pytest
import torch

from deepcovid.data import manifest
from deepcovid.models import lungs


def test_lungs_are_found_on_pictures_never_fitted(segmenter, drawn):
    table = manifest.make(drawn, 0.0)
    pictures, masks = lungs.pairs(table[table.split == "test"], drawn)
    with torch.inference_mode():
        found = (segmenter(lungs.as_input(pictures)) > 0).float()
    assert lungs.overlap(found, masks.float()).mean() > 0.8
    everywhere = lungs.overlap(torch.ones_like(found), masks.float()).mean()
    assert everywhere < 0.7  # so that 0.8 says something


def test_fit_depends_on_the_seed_only_and_leaves_torch_alone(drawn):
    table = manifest.make(drawn, 0.0)
    given = lungs.pairs(table[table.split == "train"], drawn)
    torch.manual_seed(5)
    expected = torch.rand(3)
    states = []
    for seed in (1, 1, 2):
        torch.manual_seed(5)
        states.append(lungs.fit(*given, epochs=1, seed=seed).out.weight)
        assert torch.equal(torch.rand(3), expected)
    assert torch.equal(states[0], states[1]) and not torch.equal(states[0], states[2])


def test_box_holds_the_lungs_with_a_margin():
    lung = np.zeros((lungs.SIZE, lungs.SIZE), bool)
    assert lungs.box(lung) == (0, 0, 1, 1)
    lung[24:72, 48:] = True
    assert lungs.box(lung) == pytest.approx((0.47, 0.22, 1, 0.78))
