"""Occlusion against its definition; Grad-CAM against its definition; bad input."""

import numpy as np
import pytest
import torch
from conftest import user_error
from torch import nn

from deepcovid.heatmaps import maps
from deepcovid.heatmaps.maps import grad_cam, occlusion
from deepcovid.models import networks


def score(model, inputs):
    return model(inputs).softmax(1)[:, 1]


@pytest.mark.parametrize(("window", "stride"), [(7, 3), (5, 5), (9, 4)])
def test_occlusion_is_what_its_definition_says(model, inputs, window, stride):
    """Pixel by pixel and square by square."""
    found = occlusion(model, inputs, window, stride, fill=100, batch_size=7)
    assert found.shape == (3, 30, 24) and found.dtype == np.float32 and np.ptp(found) > 1e-3
    total, count = torch.zeros(2, *found.shape)
    tops, lefts = (range(0, n - window + stride, stride) for n in found.shape[1:])
    for here in ((slice(y, y + window), slice(x, x + window)) for y in tops for x in lefts):
        covered = inputs.clone()
        covered[:, :, *here] = maps.grey(100)
        drop = score(model, inputs) - score(model, covered)
        total[:, *here] += drop[:, None, None]
        count[:, *here] += 1
    np.testing.assert_allclose(found, total / count, atol=1e-5)


def test_impossible_windows_are_refused(model, inputs):
    for window, stride in ((25, 1), (0, 1), (6, 0), (6, 7), (6, -2)):
        with user_error("window.*stride"):
            occlusion(model, inputs, window, stride)


def test_inputs_are_left_as_they_were(model, inputs):
    before = inputs.clone()
    occlusion(model, inputs, 6, 3)
    grad_cam(model, inputs)
    assert torch.equal(inputs, before)


@pytest.mark.parametrize("name", networks.TORCHVISION)
def test_grad_cam_of_all_four_models_is_its_definition(name):
    model, _ = networks.build(name)
    model.eval()
    x = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    found = grad_cam(model, x)
    assert found.shape == (2, 64, 64) and (found >= 0).all() and np.isfinite(found).all()
    # the definition, by hand: gradients weigh the channels of the last stage
    stage = model.last_conv
    values = {}
    model.backbone.get_submodule(stage).register_forward_hook(
        lambda module, given, out: values.setdefault("out", out.requires_grad_().clone())
    )
    layers = list(model.backbone.named_children())
    after = [module for _, module in layers[[n for n, _ in layers].index(stage) + 1 :]]
    model(x)
    maps = values["out"].detach().requires_grad_()
    logits = model.head(nn.Sequential(*after)(maps.clone()))
    (slope,) = torch.autograd.grad(logits[:, 1].sum(), maps)
    by_hand = (slope.mean((2, 3), keepdim=True) * maps).sum(1, keepdim=True)
    by_hand = nn.functional.interpolate(by_hand, (64, 64), mode="bilinear").clamp(min=0)
    np.testing.assert_allclose(found, by_hand[:, 0].detach().numpy(), atol=1e-5)


def test_pictures_come_back_from_inputs():
    level = torch.tensor([0, 128, 255])[:, None, None, None] / 255
    inputs = ((level - maps.MEAN) / maps.STD).expand(3, 3, 4, 5)
    assert np.array_equal(maps.pictures_of(inputs)[:, 0, 0], [0, 128, 255])
    assert maps.pictures_of(inputs).shape == (3, 4, 5)
