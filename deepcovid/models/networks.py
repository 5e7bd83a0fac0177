"""The four networks of the paper, each as a `backbone` that sees and a `head` that decides."""

import hashlib
import os
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError, URLError

import numpy as np
import torch
from torch import nn
from torchvision import models as torchvision_models

from deepcovid.profiles import Profile
from deepcovid.runs import UserError, file_digest

CLASSES = ("Non-COVID", "COVID-19")  # index 1 of the output is COVID-19
TORCHVISION = {
    "resnet18": "resnet18",
    "resnet50": "resnet50",
    "squeezenet": "squeezenet1_1",
    "densenet121": "densenet121",
}


class Classifier(nn.Module):
    """A network split at its last layer: `head(backbone(x))`.

    Input: float32 (n, 3, size, size), normalised as ImageNet's. Output: (n, 2) logits.
    `last_conv` is the name of the last convolutional stage, which Grad-CAM looks at.
    """

    def __init__(self, backbone: nn.Module, head: nn.Module, last_conv: str):
        super().__init__()
        self.backbone, self.head, self.last_conv = backbone, head, last_conv

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.backbone(x))


class Dropout(nn.Module):
    """Dropout of half of the values, as `nn.Dropout(0.5)`.

    On CPU the mask is made of random bits, not of a random number per value: four fifths of the
    time of training SqueezeNet's head went into those.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training or x.is_cuda:
            return nn.functional.dropout(x, 0.5, self.training)
        seed = int(torch.randint(2**62, ()))  # so that torch's generator decides
        random = np.random.default_rng(seed).bytes(-(-x.numel() // 8))
        bits = np.unpackbits(np.frombuffer(random, np.uint8), count=x.numel())
        return x * torch.from_numpy(bits).view(x.shape).mul_(2)


@dataclass(frozen=True)
class Weights:
    """Where a backbone's weights come from: `imagenet`, `random`, or a file's name and SHA-256."""

    kind: str
    file: str = ""
    sha256: str = ""

    def label(self) -> str:
        return self.file or self.kind


def find_weights(weights: str, name: str) -> tuple[Path | None, Weights]:
    """The file that `weights` (`imagenet`, `random`, a file or a folder) has for model `name`.

    A folder's file is the one that starts with torchvision's name of the model. `imagenet` is
    downloaded once and its hash checked. Raises UserError when there is none, or several.
    """
    if weights == "random":
        return None, Weights("random")
    if weights == "imagenet":
        path = download(name)
        return path, Weights("imagenet", path.name, file_digest(path))
    path, stem = Path(weights), TORCHVISION[name]
    if path.is_dir():
        found = sorted(p for p in path.iterdir() if p.name.startswith(stem) and p.suffix == ".pth")
        if len(found) != 1:
            there = ", ".join(p.name for p in found) or "none"
            raise UserError(
                f"The weights folder {path} must hold one file {stem}*.pth for {name}; it holds "
                f"{there}. Add it, or run the models that are there: -p models NAME."
            )
        path = found[0]
    if not path.is_file():
        raise UserError(
            f"There are no weights at {path}. Give a folder or file of state dicts, "
            "imagenet, or random: -p weights VALUE."
        )
    return path, Weights("file", path.name, file_digest(path))


def download(name: str) -> Path:
    """torchvision's ImageNet weights of a model, downloaded into its cache and hash-checked.

    `DEEPCOVID_WEIGHTS_URL` may name another server that holds files of the same names.
    """
    url = torchvision_models.get_model_weights(TORCHVISION[name]).IMAGENET1K_V1.url
    file = url.rsplit("/", 1)[1]
    if mirror := os.environ.get("DEEPCOVID_WEIGHTS_URL"):
        url = f"{mirror.rstrip('/')}/{file}"
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    path = folder / file
    # torchvision's names end in the first digits of the file's SHA-256
    expected = path.stem.rsplit("-", 1)[1]
    if path.exists() and not file_digest(path).startswith(expected):
        path.unlink()
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        try:
            torch.hub.download_url_to_file(url, str(path), hash_prefix=expected)
        except (HTTPError, URLError, RuntimeError, OSError) as error:
            raise UserError(
                f"The ImageNet weights of {name} could not be downloaded ({error}). Try again, or "
                f"put {file} into a folder and name it: -p weights FOLDER."
            ) from None
    return path


def load_state(path: Path) -> dict[str, torch.Tensor]:
    """A file's state dict, read without running any code in it."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for files that are no state dicts
        reason = str(error).splitlines()[0][:160]
        raise UserError(f"{path} is no file of PyTorch weights ({reason}).") from None
    if not isinstance(state, dict) or not all(isinstance(v, torch.Tensor) for v in state.values()):
        raise UserError(f"{path} does not hold a state dict (names and tensors).")
    return state


def build(name: str, weights: str = "random", seed: int = 0) -> tuple[Classifier, Weights]:
    """A model with the given backbone weights and a new two-class head drawn from `seed`.

    With `random` weights the backbone is drawn from `seed` as well.
    Raises UserError when weights are missing or do not fit the model.
    """
    path, origin = find_weights(weights, name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = getattr(torchvision_models, TORCHVISION[name])(weights=None)
        if path is not None:
            try:
                network.load_state_dict(load_state(path))
            except RuntimeError as error:
                reason = str(error).splitlines()[1].strip()[:200]
                raise UserError(f"{path} does not fit {name}: {reason}") from None
        torch.manual_seed(seed)  # the head must not depend on what was drawn before it
        return split(name, network), origin


def split(name: str, network: nn.Module) -> Classifier:
    """A torchvision network as backbone and new two-class head."""
    if name.startswith("resnet"):
        layers = OrderedDict(network.named_children())
        features = layers.pop("fc").in_features
        backbone = nn.Sequential(layers)
        backbone.add_module("flatten", nn.Flatten())
        return Classifier(backbone, nn.Linear(features, len(CLASSES)), "layer4")
    if name == "densenet121":
        # DenseNet applies ReLU and pooling in `forward`, not as modules
        backbone = nn.Sequential(
            OrderedDict(
                features=network.features,
                relu=nn.ReLU(),
                avgpool=nn.AdaptiveAvgPool2d(1),
                flatten=nn.Flatten(),
            )
        )
        head = nn.Linear(network.classifier.in_features, len(CLASSES))
        return Classifier(backbone, head, "features")
    # SqueezeNet decides at each place of its last map (1x1 convolution), then averages
    _, conv, relu, pool = network.classifier
    conv = nn.Conv2d(conv.in_channels, len(CLASSES), kernel_size=1)
    head = nn.Sequential(Dropout(), conv, relu, pool, nn.Flatten())
    backbone = nn.Sequential(OrderedDict(features=network.features))
    return Classifier(backbone, head, "features")


def state_digest(module: nn.Module) -> str:
    """Sixteen hex digits that stand for a module's parameters and buffers, bit by bit."""
    total = hashlib.sha256()
    for name, value in module.state_dict().items():
        total.update(name.encode())
        total.update(value.cpu().contiguous().numpy().tobytes())
    return total.hexdigest()[:16]


def has_batch_norm(module: nn.Module) -> bool:
    return any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in module.modules())


def backbone_is_fixed(profile: Profile, model: Classifier) -> bool:
    """Does the backbone stay as it was? Batch norm in train mode drifts even when frozen."""
    drifts = profile.batch_norm == "train" and has_batch_norm(model.backbone)
    return profile.trainable == "head" and not drifts


def trained_part(profile: Profile, model: Classifier) -> nn.Module:
    """What training changes, and a checkpoint holds: the head, or the whole network."""
    return model.head if backbone_is_fixed(profile, model) else model


def device_of(setting: str) -> torch.device:
    """The device that `auto`, `cpu` or `cuda` means here; UserError for CUDA without a GPU."""
    if setting == "cuda" and not torch.cuda.is_available():
        raise UserError("device is cuda, but PyTorch finds no CUDA GPU here: use -p device cpu.")
    cuda = setting == "cuda" or (setting == "auto" and torch.cuda.is_available())
    return torch.device("cuda" if cuda else "cpu")
