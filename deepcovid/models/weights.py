"""Where a backbone's first weights come from: found, downloaded, read without running their code."""

import re
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from torchvision import models as torchvision_models

from deepcovid.runs import UserError, did_you_mean, file_digest

TORCHVISION = {"resnet18": "resnet18", "resnet50": "resnet50", "squeezenet": "squeezenet1_1",
               "densenet121": "densenet121"}  # fmt: skip
WRAPPED = ("state_dict", "model_state_dict", "model")  # what training scripts put a state dict in
# of names: what wraps a network, and how torchvision's own DenseNet files call a dense layer's parts
PREFIX = re.compile(r"^(module\.|backbone\.)+")
DENSE_LAYER = re.compile(r"(denselayer\d+\.(?:norm|conv))\.(\d)\.")
HEAD = ("fc.", "classifier.", "head.")


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
            f"There are no weights at {path}.{did_you_mean(path.name, ('imagenet', 'random'))} Give a "
            "folder or file of state dicts, imagenet, or random: -p weights VALUE."
        )
    return path, Weights("file", path.name, file_digest(path))


def download(name: str) -> Path:
    """torchvision's ImageNet weights of a model, downloaded into its cache and hash-checked."""
    url = torchvision_models.get_model_weights(TORCHVISION[name]).IMAGENET1K_V1.url
    path = Path(torch.hub.get_dir(), "checkpoints", url.rpartition("/")[2])
    # torchvision's names end in the first digits of the file's SHA-256
    expected = path.stem.rsplit("-", 1)[1]
    if path.exists() and not file_digest(path).startswith(expected):
        path.unlink()
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            torch.hub.download_url_to_file(url, str(path), hash_prefix=expected)
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
    except Exception:  # torch raises many kinds for files that are no state dicts
        raise UserError(
            f"{path} is no file of PyTorch weights that can be read without running code in it. "
            "Download it again, or save it by torch.save(model.state_dict(), FILE)."
        ) from None
    if isinstance(state, dict):
        state = next((state[key] for key in WRAPPED if isinstance(state.get(key), dict)), state)
    if not isinstance(state, dict) or not all(isinstance(v, torch.Tensor) for v in state.values()):
        raise UserError(
            f"{path} does not hold a state dict (names and tensors): save model.state_dict()."
        )
    return state


def load_backbone(network: nn.Module, path: Path, name: str) -> None:
    """Load a file's weights into a torchvision network, all but its last layer.

    That one is replaced, so a file may have any number of classes, or none. Names are taken as
    torchvision's files and networks have them, also behind `module.` or `backbone.`.
    Raises UserError that says what is missing, foreign or of another shape.
    """
    state = {
        DENSE_LAYER.sub(r"\1\2.", PREFIX.sub("", key)): value
        for key, value in load_state(path).items()
    }
    own = network.state_dict()
    given, wanted = (
        {key: value.shape for key, value in names.items() if not key.startswith(HEAD)}
        for names in (state, own)
    )
    # files from before PyTorch 0.4.1 do not count the batches
    missing = {key for key in wanted.keys() - given if not key.endswith("num_batches_tracked")}
    for what, keys in {
        "lacks": missing,
        "has another shape of": {k for k in wanted.keys() & given if given[k] != wanted[k]},
        "has besides": given.keys() - wanted,
    }.items():
        if keys:
            more = f" and {len(keys) - 1} more" if len(keys) > 1 else ""
            raise UserError(
                f"{path} does not fit {name}: it {what} {min(keys)}{more}. "
                f"A state dict of torchvision's {TORCHVISION[name]} is wanted."
            )
    network.load_state_dict(own | {key: state[key] for key in given})
