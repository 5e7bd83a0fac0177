import pytest
import torch
from conftest import user_error
from torchvision import models as torchvision_models

from deepcovid.models import networks
from deepcovid.profiles import MODELS


def torchvision_network(name, classes=1000):
    torch.manual_seed(5)
    return getattr(torchvision_models, networks.TORCHVISION[name])(num_classes=classes).eval()


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_split_networks_compute_what_torchvision_computes(name, tmp_path):
    """With torchvision's own last layer put into our head, the logits are torchvision's."""
    network = torchvision_network(name)
    torch.save(network.state_dict(), tmp_path / f"{networks.TORCHVISION[name]}-x.pth")
    model, origin = networks.build(name, str(tmp_path))
    assert origin["file"] == f"{networks.TORCHVISION[name]}-x.pth"
    assert len(origin["sha256"]) == 64
    theirs = [m for m in network.modules() if isinstance(m, torch.nn.Linear | torch.nn.Conv2d)][-1]
    ours = [m for m in model.head.modules() if isinstance(m, torch.nn.Linear | torch.nn.Conv2d)][-1]
    assert ours.weight.shape[0] == 2
    with torch.no_grad():
        ours.weight.copy_(theirs.weight[[3, 8]])
        ours.bias.copy_(theirs.bias[[3, 8]])
        x = torch.randn(2, 3, 64, 64)
        assert torch.allclose(model.eval()(x), network(x)[:, [3, 8]], atol=1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_folded_batch_norm_gives_the_same(name):
    torch.manual_seed(0)  # how far apart float32 may come depends on what is drawn
    model, _ = networks.build(name)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):  # as after a training, not as it begins
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, 0, 0.1)
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    before, x = networks.state_digest(model), torch.randn(2, 3, 64, 64)
    folded = networks.fuse_batch_norm(model)
    with torch.inference_mode():
        expected, found = model.eval().backbone(x), folded.backbone(x)
        assert torch.allclose(found, expected, rtol=0, atol=1e-5 * float(expected.abs().max()))
        assert torch.allclose(folded(x), model(x), atol=1e-5)
    assert networks.state_digest(model) == before
    assert count(folded) < count(model) or not count(model)


def count(model):
    return sum(isinstance(module, torch.nn.BatchNorm2d) for module in model.modules())


def test_a_folded_pass_follows_what_training_changes_later():
    """Batch norm that drifts, and a head that learns, are in the next folded copy."""
    model, _ = networks.build("resnet18")
    first = networks.fuse_batch_norm(model)
    model.train()
    model(torch.randn(4, 3, 64, 64))
    with torch.no_grad():
        model.head.bias.add_(1)
    second, x = networks.fuse_batch_norm(model), torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        assert torch.allclose(second(x), model(x), atol=1e-5)
        assert not torch.allclose(first.backbone(x), second.backbone(x), atol=1e-3)


def test_the_seed_draws_the_head_and_with_random_weights_the_backbone(tmp_path):
    torch.save(torchvision_network("squeezenet").state_dict(), tmp_path / "squeezenet1_1.pth")
    digest = networks.state_digest
    a, b, other = (networks.build("squeezenet", "random", seed)[0] for seed in (0, 0, 1))
    assert digest(a) == digest(b)
    assert digest(a.backbone) != digest(other.backbone)
    a, other = (networks.build("squeezenet", str(tmp_path), seed)[0] for seed in (0, 1))
    assert digest(a.backbone) == digest(other.backbone)
    assert digest(a.head) != digest(other.head)
    assert digest(a.head) == digest(networks.build("squeezenet", "random", 0)[0].head)


def test_a_1x1_convolution_as_products_of_matrices_is_torchs():
    theirs, ours = torch.nn.Conv2d(64, 2, 1), networks.PointwiseConv(64, 2, 1)
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(5, 64, 13, 11)
    for given in (x, x.contiguous(memory_format=torch.channels_last)):
        found = []
        for module in (theirs, ours):
            leaf = given.clone().requires_grad_()
            module.zero_grad()
            out = module(leaf)
            out.relu().mean().backward()
            found.append((out, leaf.grad, module.weight.grad, module.bias.grad))
        for a, b in zip(*found, strict=True):
            assert a.shape == b.shape and torch.allclose(a, b, atol=1e-6)


def test_dropout_drops_half_and_keeps_the_mean():
    drop, x = networks.Dropout(), torch.ones(100_001)
    assert torch.equal(drop.eval()(x), x)
    torch.manual_seed(1)
    first, second = drop.train()(x), drop(x)
    assert set(first.unique().tolist()) == {0.0, 2.0}
    assert abs(first.mean() - 1) < 0.02
    assert not torch.equal(first, second)
    torch.manual_seed(1)
    assert torch.equal(drop(x), first)
    assert torch.equal(x, torch.ones(100_001))  # what was given is not written to


def test_dropout_passes_the_gradient_of_what_it_keeps():
    x = torch.randn(1000).requires_grad_()
    found = networks.Dropout()(x)
    found.square().sum().backward()
    kept = (found != 0).float()
    assert torch.equal(found, 2 * kept * x) and torch.allclose(x.grad, 8 * kept * x)


def test_cuda_is_refused_where_there_is_none(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert networks.device_of("auto").type == "cpu"
    with user_error("-p device cpu"):
        networks.device_of("cuda")
