import hashlib
import http.server
import threading

import pytest
import torch
from conftest import user_error
from torchvision import models as torchvision_models

from deepcovid.models import networks
from deepcovid.profiles import MODELS


def torchvision_network(name, classes=1000):
    torch.manual_seed(5)
    return getattr(torchvision_models, networks.TORCHVISION[name])(num_classes=classes).eval()


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


def test_weights_that_are_missing_or_do_not_fit_are_named(tmp_path):
    with user_error("no weights at .*absent"):
        networks.build("resnet18", str(tmp_path / "absent"))
    with user_error(r"one file resnet18\*.pth.*none.*-p models"):
        networks.build("resnet18", str(tmp_path))
    path = tmp_path / "resnet18.pth"
    torch.save(torchvision_network("squeezenet").state_dict(), path)
    with user_error("resnet18.pth does not fit resnet18"):
        networks.build("resnet18", str(tmp_path))
    path.write_text("hello")
    with user_error("no file of PyTorch weights"):
        networks.build("resnet18", str(path))
    torch.save([1, 2], path)
    with user_error("does not hold a state dict"):
        networks.build("resnet18", str(path))


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A stand-in for torchvision's download server, on loopback; `files` is what it serves."""
    files, asked = {}, []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            name = self.path.lstrip("/")
            asked.append(name)
            content, announced = files.get(name, (None, 0))
            if content is None:
                return self.send_error(404)
            self.send_response(200)
            self.send_header("Content-Length", str(announced))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        monkeypatch.setenv("DEEPCOVID_WEIGHTS_URL", f"http://127.0.0.1:{httpd.server_port}")
        monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
        yield files, asked
        httpd.shutdown()


def test_imagenet_weights_are_downloaded_once_and_their_hash_is_checked(
    server, tmp_path, monkeypatch
):
    files, asked = server
    torch.save(torchvision_network("squeezenet").state_dict(), tmp_path / "right")
    right = (tmp_path / "right").read_bytes()
    sha256 = hashlib.sha256(right).hexdigest()
    name = f"squeezenet1_1-{sha256[:8]}.pth"
    weights = torchvision_models.SqueezeNet1_1_Weights.IMAGENET1K_V1
    monkeypatch.setattr(type(weights), "url", property(lambda self: f"https://nowhere/{name}"))
    cached = tmp_path / "hub" / "checkpoints" / name

    with user_error(f"could not be downloaded.*404.*put {name}"):
        networks.build("squeezenet", "imagenet")
    wrong = right[:-1] + b"x"
    files[name] = (wrong, len(wrong))
    with user_error("invalid hash"):
        networks.build("squeezenet", "imagenet")
    files[name] = (right[:1000], len(right))  # the connection breaks off
    with user_error("could not be downloaded"):
        networks.build("squeezenet", "imagenet")
    assert not cached.exists()

    files[name] = (right, len(right))
    _, origin = networks.build("squeezenet", "imagenet")
    assert (origin.kind, origin.file, origin.sha256) == ("imagenet", name, sha256)
    count = len(asked)
    networks.build("squeezenet", "imagenet")
    assert len(asked) == count
    cached.write_bytes(wrong)  # a damaged cache is mended
    networks.build("squeezenet", "imagenet")
    assert cached.read_bytes() == right


def test_cuda_is_refused_where_there_is_none(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert networks.device_of("auto").type == "cpu"
    with user_error("-p device cpu"):
        networks.device_of("cuda")
