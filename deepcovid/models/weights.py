"""Where a backbone's first weights come from: found, downloaded, read without running their code."""

import re
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from torchvision import models as torchvision_models

from deepcovid.runs import UserError, file_digest

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

    A folder's file is the one that starts with torchvision's name of the model. Raises UserError
    when there is none, or several.
    """
    if weights == "random":
        return None, Weights("random")
    path, kind = (download(name), weights) if weights == "imagenet" else (Path(weights), "file")
    if path.is_dir():
        wanted = f"{TORCHVISION[name]}*.pth"
        found = sorted(path.glob(wanted))
        if len(found) != 1:
            raise UserError(
                f"The weights folder {path} must hold one file {wanted} for {name}; it holds "
                f"{', '.join(p.name for p in found) or 'none'}. Add it, or run the models that are there: "
                "-p models NAME."
            )
        path = found[0]
    if not path.is_file():
        raise UserError(
            f"There are no weights at {path}. Give a folder or file of state dicts, imagenet, or "
            "random: -p weights VALUE."
        )
    return path, Weights(kind, path.name, file_digest(path))


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
    try:
        found = network.load_state_dict(body, strict=False)
        lacks = [f"lacks {key}" for key in found.missing_keys if not key.startswith(HEAD)]
        wrong = lacks + [f"has besides {key}" for key in found.unexpected_keys]
    except RuntimeError as error:  # its first line says for which network
        wrong = [line.strip() for line in str(error).splitlines()[1:]]
    if wrong:
        more = f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        raise UserError(
            f"{path} does not fit {name}: {wrong[0]}{more}. A state dict of torchvision's "
            f"{TORCHVISION[name]} is wanted."
        )
