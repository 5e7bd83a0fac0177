"""Deletion and insertion of a map that is right; maps of models with other weights."""

import numpy as np
import pytest
import torch
from torch import nn

from deepcovid.heatmaps import calibration
from deepcovid.heatmaps.agreement import rank_correlation
from deepcovid.heatmaps.maps import occlusion
from deepcovid.models import networks


def test_covering_what_counts_lowers_the_score_first_and_showing_it_raises_it():
    class Bright(nn.Module):
        def forward(self, x):
            light = x[:, 0, 4:8, 4:8].mean((1, 2))
            return torch.stack([-light, light], 1)

    x = torch.full((1, 3, 16, 16), -1.0)
    x[:, :, 4:8, 4:8] = 2
    heat = np.zeros((1, 16, 16), np.float32)
    heat[:, 4:8, 4:8] = 1
    good, bad = (calibration.perturbed(Bright(), x, h) for h in (heat, -heat))
    whole, covered = good["deletion"][0, [0, -1]]
    assert whole > 0.9 and good["insertion"][0, 0] == pytest.approx(covered)
    assert good["deletion"].mean() < bad["deletion"].mean()
    assert good["insertion"].mean() > bad["insertion"].mean()


def test_random_weights_change_the_map(model, inputs):
    same = rank_correlation(*[occlusion(model, inputs, 6, 3)] * 2)
    assert same == pytest.approx(1)
    built, _ = networks.build("squeezenet", seed=3)
    x = torch.randn(2, 3, 64, 64)
    for other in calibration.randomised(built, "squeezenet", 4).values():
        pair = [occlusion(m, x, 16, 16) for m in (built, other)]
        assert (rank_correlation(*pair) < 0.95).all()
