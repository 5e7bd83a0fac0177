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
    assert origin.file == f"{networks.TORCHVISION[name]}-x.pth" and len(origin.sha256) == 64
    theirs = [m for m in network.modules() if isinstance(m, torch.nn.Linear | torch.nn.Conv2d)][-1]
    ours = [m for m in model.head.modules() if isinstance(m, torch.nn.Linear | torch.nn.Conv2d)][-1]
    assert ours.weight.shape[0] == 2
    with torch.no_grad():
        ours.weight.copy_(theirs.weight[[3, 8]])
        ours.bias.copy_(theirs.bias[[3, 8]])
        x = torch.randn(2, 3, 64, 64)
        assert torch.allclose(model.eval()(x), network(x)[:, [3, 8]], atol=1e-5)


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
    theirs, ours = torch.nn.Conv2d(64, 2, 1), networks.Places(64, 2, 1)
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


def test_cuda_is_refused_where_there_is_none(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert networks.device_of("auto").type == "cpu"
    with user_error("-p device cpu"):
        networks.device_of("cuda")
