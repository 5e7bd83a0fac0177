"""The four networks of the paper, each as a `backbone` that sees and a `head` that decides.

Their first weights are found, downloaded, and read without running the code in a file.
"""

import copy
import hashlib
import re
from collections import OrderedDict
from pathlib import Path
from textwrap import shorten

import numpy as np
import torch
from torch import nn
from torch.fx.experimental.optimization import fuse
from torchvision import models as torchvision_models

from deepcovid.profiles import TORCHVISION, Profile, weights_file
from deepcovid.runs import UserError, file_digest

CLASSES = ("Non-COVID", "COVID-19")  # index 1 of the output is COVID-19
# where weights come from: `kind` is `imagenet`, `random` or `file`; the `file`'s name and `sha256`
Origin = dict[str, str]
WRAPPED = ("state_dict", "model_state_dict", "model")  # what training scripts put a state dict in
# of names: what wraps a network, and how torchvision's own DenseNet files call a dense layer's parts
PREFIX = re.compile(r"^(module\.|backbone\.)+")
DENSE_LAYER = re.compile(r"(denselayer\d+\.(?:norm|conv))\.(\d)\.")
HEAD = ("fc.", "classifier.", "head.")


class Classifier(nn.Module):
    """A network split at its last layer: `head(backbone(x))`.

    Input: float32 (n, 3, size, size), normalised as ImageNet's. Output: (n, 2) logits.
    `last_conv` is the name of the last convolutional stage, which Grad-CAM looks at. Where `half`
    is set, the backbone computes in bfloat16.
    """

    half = False

    def __init__(self, backbone: nn.Module, head: nn.Module, last_conv: str):
        super().__init__()
        self.backbone, self.head, self.last_conv = backbone, head, last_conv

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(forward_backbone(self.backbone, x, self.half))


def forward_backbone(backbone: nn.Module, x: torch.Tensor, half: bool = False) -> torch.Tensor:
    """What `backbone` gives for `x`; with `half` computed in bfloat16, and given in float32.

    Batch norm keeps its statistics, and the head decides, in float32 in either case.
    """
    if not half:
        return backbone(x)
    with torch.autocast(x.device.type, torch.bfloat16):
        return backbone(x).float()


def fuse_batch_norm(module: nn.Module) -> nn.Module:
    """A copy for evaluation alone, each batch norm multiplied into the convolution before it.

    It gives the same but for rounding, a tenth faster. Both are in evaluation mode then.
    """
    module.eval()
    if not has_batch_norm(module):
        return module
    if isinstance(module, nn.Sequential):  # so are the backbones, which can be traced whole
        return fuse(module)
    module = copy.copy(module)
    module._modules = {name: fuse_batch_norm(child) for name, child in module.named_children()}
    return module


# what dropout multiplies eight values by, 0 or 2, for each byte of random bits
MASKS = 2 * np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).astype(np.float32)


class Dropout(nn.Module):
    """Dropout of half of the values, as `nn.Dropout(0.5)`.

    The mask is made of random bits, not of a random number per value: four fifths of the time of
    training SqueezeNet's head went into those. They are drawn on the CPU, so that they are the
    same on every device and a stopped training goes on with the right ones.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training:
            return x
        seed = int(torch.randint(2**62, ()))  # so that torch's generator decides
        random = np.random.default_rng(seed).bytes(-(-x.numel() // 8))
        mask = torch.from_numpy(MASKS.take(np.frombuffer(random, np.uint8), axis=0))
        mask = mask.flatten()[: x.numel()].view(x.shape).to(x.device, x.dtype)
        return mask.mul_(x)  # in place, twice to six times as fast as a result of its own


class PointwiseConv(nn.Conv2d):
    """A 1x1 convolution, as a product of matrices for each image.

    For two classes torch's own convolution takes three times as long, forth and back.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weight = self.weight.flatten(1).expand(len(x), -1, -1)
        found = torch.baddbmm(self.bias[:, None], weight, x.flatten(2))
        return found.unflatten(2, x.shape[2:])


def build(name: str, weights: str = "random", seed: int = 0) -> tuple[Classifier, Origin]:
    """A model with the given backbone weights and a new two-class head drawn from `seed`; and their
    origin.

    `weights` is `imagenet`, `random`, or a file or folder of state dicts. With `random`
    weights the backbone is drawn from `seed` as well.
    Raises UserError when weights are missing or do not fit the model.
    """
    path, origin = find_weights(weights, name)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        network = getattr(torchvision_models, TORCHVISION[name])(weights=None)
        if path is not None:
            load_backbone(network, path, name)
        # the head must not depend on what was drawn before it
        torch.default_generator.manual_seed(seed)
        return split(name, network), origin


def split(name: str, network: nn.Module) -> Classifier:
    """A torchvision network as backbone and new two-class head."""
    if name.startswith("resnet"):
        layers = OrderedDict(network.named_children())
        head = nn.Linear(layers.pop("fc").in_features, len(CLASSES))
        return Classifier(nn.Sequential(layers | {"flatten": nn.Flatten()}), head, "layer4")
    if name == "densenet121":
        # DenseNet applies ReLU and pooling in `forward`, not as modules
        pool = {"relu": nn.ReLU(), "avgpool": nn.AdaptiveAvgPool2d(1), "flatten": nn.Flatten()}
        backbone = nn.Sequential(OrderedDict(features=network.features, **pool))
        head = nn.Linear(network.classifier.in_features, len(CLASSES))
        return Classifier(backbone, head, "features")
    if name != "squeezenet":
        raise NotImplementedError(f"Where does the head of {name} begin? See docs/extend.md.")
    # SqueezeNet decides at each place of its last map (1x1 convolution), then averages
    _, conv, relu, pool = network.classifier
    conv = PointwiseConv(conv.in_channels, len(CLASSES), kernel_size=1)
    head = nn.Sequential(Dropout(), conv, relu, pool, nn.Flatten())
    backbone = nn.Sequential(OrderedDict(features=network.features))
    return Classifier(backbone, head, "features")


def find_weights(weights: str, name: str) -> tuple[Path | None, Origin]:
    """The file that `weights` (`imagenet`, `random`, a file or a folder) has for model `name`, if any.

    Raises UserError as `weights_file` does.
    """
    if weights == "random":
        return None, {"kind": "random", "file": "", "sha256": ""}
    path, kind = (download(name), weights) if weights == "imagenet" else (Path(weights), "file")
    found = weights_file(path, name)
    return found, {"kind": kind, "file": found.name, "sha256": file_digest(found)}


def download(name: str) -> Path:
    """torchvision's ImageNet weights of a model, downloaded once into its cache and hash-checked."""
    weights = torchvision_models.get_model_weights(TORCHVISION[name]).IMAGENET1K_V1
    path = Path(torch.hub.get_dir(), "checkpoints", weights.url.rpartition("/")[2])
    try:
        weights.get_state_dict(check_hash=True)
    except (RuntimeError, OSError) as error:
        raise UserError(
            f"The ImageNet weights of {name} could not be downloaded ({error}). Try again, or "
            f"put {path.name} into a folder and name it: -p weights FOLDER."
        ) from None
    return path


def load_state(path: Path) -> dict[str, torch.Tensor]:
    """A file's state dict, read without running any code in it; UserError where it holds none."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        state = next((state[key] for key in WRAPPED if isinstance(state.get(key), dict)), state)
        if all(isinstance(value, torch.Tensor) for value in state.values()):
            return state
    except Exception:  # torch raises many kinds for files that are no state dicts
        pass
    raise UserError(
        f"{path} holds no state dict (names and tensors) that can be read without running code in it. "
        "Download it again, or save it by torch.save(model.state_dict(), FILE)."
    )


def load_backbone(network: nn.Module, path: Path, name: str) -> None:
    """Load a file's weights into a torchvision network, all but its last layer.

    That one is replaced, so a file may have any number of classes, or none. Names are taken as
    torchvision's files and networks have them, also behind `module.` or `backbone.`.
    Raises UserError that says what is missing, foreign or of another shape.
    """
    given = {DENSE_LAYER.sub(r"\1\2.", PREFIX.sub("", k)): v for k, v in load_state(path).items()}
    body = {key: value for key, value in given.items() if not key.startswith(HEAD)}
    head = {key: value for key, value in network.state_dict().items() if key.startswith(HEAD)}
    try:
        network.load_state_dict(body | head)
    except RuntimeError as error:
        raise UserError(
            f"{path} does not fit {name}, a state dict of torchvision's {TORCHVISION[name]} is wanted: "
            + shorten(str(error), 300)
        ) from None


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
