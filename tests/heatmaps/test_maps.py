"""Occlusion against its definition and Captum's; Grad-CAM against its definition; bad input."""

import numpy as np
import pytest
import torch
from captum.attr import Occlusion
from conftest import user_error
from torch import nn

from deepcovid.heatmaps import maps
from deepcovid.heatmaps.maps import grad_cam, occlusion
from deepcovid.models import networks


def score(model, inputs):
    return model(inputs).softmax(1)[:, 1]


def slow(model, inputs, window, stride, fill):
    """The definition, pixel by pixel and square by square."""
    whole = score(model, inputs)
    total, count = torch.zeros(2, len(inputs), *inputs.shape[2:])
    for i, picture in enumerate(inputs):
        for top in maps.starts(inputs.shape[2], window, stride):
            for left in maps.starts(inputs.shape[3], window, stride):
                here = (slice(top, top + window), slice(left, left + window))
                covered = picture.clone()
                covered[:, *here] = maps.grey(fill)
                total[i][here] += whole[i] - score(model, covered[None])[0]
                count[i][here] += 1
    return (total / count).numpy()


@pytest.mark.parametrize(("window", "stride"), [(7, 3), (5, 5), (9, 4), (24, 1)])
def test_occlusion_is_what_its_definition_says_and_what_captum_gives(model, inputs, window, stride):
    found = occlusion(model, inputs, window, stride, fill=100, batch_size=7)
    assert found.shape == (3, 30, 24) and found.dtype == np.float32
    assert np.ptp(found) > 1e-3
    np.testing.assert_allclose(found, slow(model, inputs, window, stride, 100), atol=1e-5)
    captum = Occlusion(lambda x: score(model, x)).attribute(
        inputs,
        (3, window, window),
        (3, stride, stride),
        baselines=maps.grey(100)[None].expand(1, 3, 30, 24),
    )
    np.testing.assert_allclose(found, captum[:, 0].numpy(), atol=1e-5)


def test_the_batch_size_changes_nothing(model, inputs):
    one, other = (occlusion(model, inputs, 6, 3, batch_size=n) for n in (1, 50))
    np.testing.assert_allclose(one, other, atol=1e-6)


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


def test_grad_cam_of_a_layer_that_is_overwritten_in_place():
    """bn2 of a ResNet block is added to and put through a ReLU in place."""
    model, _ = networks.build("resnet18")
    x = torch.randn(1, 3, 64, 64)
    assert grad_cam(model, x, "layer3.1.bn2").shape == (1, 64, 64)
    assert all(m.inplace for m in model.modules() if isinstance(m, nn.ReLU))  # a copy was changed


def test_pictures_come_back_from_inputs():
    level = torch.tensor([0, 128, 255])[:, None, None, None] / 255
    inputs = ((level - maps.MEAN) / maps.STD).expand(3, 3, 4, 5)
    assert np.array_equal(maps.pictures_of(inputs)[:, 0, 0], [0, 128, 255])
    assert maps.pictures_of(inputs).shape == (3, 4, 5)


def test_impossible_windows_are_refused(model, inputs):
    for window, stride in ((25, 1), (0, 1), (6, 0), (6, 7), (6, -2), (2.5, 1)):
        with user_error("window|stride"):
            occlusion(model, inputs, window, stride)
    with user_error("grey level"):
        occlusion(model, inputs, 6, 3, fill=300)
    for wrong in (inputs[0], inputs[:, :1], inputs[:0]):
        with user_error("shape"):
            occlusion(model, wrong, 6, 3)


def test_impossible_layers_are_refused(model, inputs):
    with user_error("no layer 'nonsense'. There are: 0, 1, 2"):
        grad_cam(model, inputs, "nonsense")
    with user_error("no map"):
        grad_cam(model, inputs, "2")  # flattened
    flat = networks.Classifier(nn.Flatten(), nn.Linear(3 * 30 * 24, 2), "")
    with user_error("none"):
        grad_cam(flat, inputs)
    assert occlusion(flat, inputs, 6, 3).shape == (3, 30, 24)  # which needs no convolution
