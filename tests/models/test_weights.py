"""What may stand in for a backbone's weights, and what is said of what may not."""

import hashlib
import http.server
import re
import threading
from pathlib import Path

import pytest
import torch
from conftest import changed, user_error
from torchvision import models as torchvision_models

from deepcovid.models import networks, training

pytestmark = pytest.mark.slow  # left out by ./run_tests.sh --fast


def state_of(name, classes=1000):
    torch.manual_seed(5)
    return getattr(torchvision_models, networks.TORCHVISION[name])(num_classes=classes).state_dict()


@pytest.fixture
def saved(tmp_path):
    def save(state, name="file.pth"):
        torch.save(state, tmp_path / name)
        return str(tmp_path / name)

    return save


def old_names(state):
    """A state dict as torchvision's DenseNet files have it: without counts of batches, and with a
    dot before the number in a dense layer."""
    return {
        re.sub(r"(denselayer\d+\.)(norm|conv)(\d)\.", r"\1\2.\3.", name): value
        for name, value in state.items()
        if not name.endswith("num_batches_tracked")
    }


def test_densenet_by_the_names_of_torchvisions_own_file(saved):
    state = state_of("densenet121")
    old = old_names(state)
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    a, _ = networks.build("densenet121", saved(state, "new.pth"))
    b, _ = networks.build("densenet121", saved(old, "old.pth"))
    assert networks.state_digest(a) == networks.state_digest(b)


@pytest.mark.parametrize("name", ("resnet18", "squeezenet"))
def test_wrapped_and_prefixed_states_with_any_head_give_the_same_backbone(name, saved):
    state = state_of(name)
    own, _ = networks.build(name, saved(state))
    expected = networks.state_digest(own)
    given = [  # the head's name is each network's own, the rest is not
        state | {k: v[:2] for k, v in state.items() if k.startswith(networks.HEAD)},
        {k: v for k, v in state.items() if not k.startswith(networks.HEAD)},
    ]
    if name == "squeezenet":
        given += [
            {"state_dict": state, "epoch": 3},
            {"model_state_dict": state},
            {f"module.{k}": v for k, v in state.items()},
            own.state_dict(),  # the checkpoint of a run that trained the whole network
        ]
    for one in given:
        assert networks.state_digest(networks.build(name, saved(one))[0]) == expected


def test_what_is_no_state_dict_is_told_in_one_line_with_a_way_out(tmp_path, saved):
    whole = Path(saved(state_of("squeezenet"), "whole.pth")).read_bytes()
    for content in (b"", b"<!DOCTYPE html><html>", whole[:5000]):
        (tmp_path / "x.pth").write_bytes(content)
        refused(tmp_path / "x.pth", "holds no state dict.*state_dict")
    model = saved(torchvision_models.squeezenet1_1(), "model.pth")
    refused(model, "holds no state dict .* without running code")
    refused(saved([1, 2], "list.pth"), "holds no state dict.*state_dict")
    refused(saved({"a": 1}, "numbers.pth"), "holds no state dict")


def refused(path, said):
    with user_error(f"{path} {said}") as caught:
        networks.build("squeezenet", str(path))
    text = str(caught.value)
    assert "\n" not in text and "\x1b" not in text


def test_weights_of_another_network_name_what_does_not_fit(tmp_path, saved):
    path = saved(state_of("squeezenet"), "resnet18.pth")
    with user_error(r"resnet18.pth does not fit resnet18.*resnet18 is wanted.*Missing key.*conv1"):
        networks.build("resnet18", str(tmp_path))
    state = state_of("squeezenet")
    with user_error("Unexpected key.*extra"):
        networks.build("squeezenet", saved(state | {"extra": torch.zeros(1)}, path))
    wide = state | {"features.0.bias": torch.zeros(7)}
    with user_error("size mismatch for features.0.bias"):
        networks.build("squeezenet", saved(wide, path))


def test_weights_that_are_missing_are_named(tmp_path):
    with user_error("absent is no file of weights"):
        networks.build("resnet18", str(tmp_path / "absent"))
    with user_error(r"one file resnet18\*.pth.*none.*-p models"):
        networks.build("resnet18", str(tmp_path))


def test_a_file_of_weights_is_run_with(run, saved):
    """From a file to scores, as `-p weights FILE` does."""
    path = saved({"state_dict": state_of("squeezenet", 2)})
    training.run(changed(run, weights=path, epochs=1), "squeezenet", 0)
    assert run.model_folder("squeezenet", 0).joinpath("checkpoint.pt").is_file()


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
        monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
        yield files, asked, f"http://127.0.0.1:{httpd.server_port}"
        httpd.shutdown()


def test_imagenet_weights_are_downloaded_once_and_their_hash_is_checked(
    server, tmp_path, monkeypatch
):
    files, asked, address = server
    torch.save(state_of("squeezenet"), tmp_path / "right")
    right = (tmp_path / "right").read_bytes()
    sha256 = hashlib.sha256(right).hexdigest()
    name = f"squeezenet1_1-{sha256[:8]}.pth"
    weights = torchvision_models.SqueezeNet1_1_Weights.IMAGENET1K_V1
    monkeypatch.setattr(type(weights), "url", property(lambda self: f"{address}/{name}"))
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
    assert origin == {"kind": "imagenet", "file": name, "sha256": sha256}
    count = len(asked)
    networks.build("squeezenet", "imagenet")
    assert len(asked) == count
