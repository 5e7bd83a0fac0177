"""Maps of where a score comes from: occlusion and Grad-CAM, of any model and images.

A map is a float32 array of the size of the model's input. An occlusion map holds the drop of
P(COVID-19), -1 to 1, when a grey square covers a place; a Grad-CAM map has no unit.
"""

import copy
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from captum.attr import LayerAttribution, LayerGradCam
from torch import nn
from tqdm.auto import tqdm

from deepcovid.data import augmentation
from deepcovid.models.features import Change, ImageSet
from deepcovid.models.networks import Classifier, folded
from deepcovid.runs import UserError

FILL = 128  # grey level of the square, 0 to 255
BATCH = 32
MEAN, STD = (torch.tensor(v)[:, None, None] for v in (augmentation.MEAN, augmentation.STD))


def read(paths: Sequence[Path], size: int, change: Change | None = None) -> torch.Tensor:
    """Model inputs (n, 3, size, size), of pictures to which `change` was done.

    Raises UserError that names a file which cannot be read.
    """
    pictures = ImageSet(list(paths), size, change=change)
    return torch.stack([pictures[0, i] for i in range(len(pictures))])


def pictures_of(inputs: torch.Tensor) -> np.ndarray:
    """Model inputs as pictures again: uint8 (n, height, width)."""
    level = (inputs.cpu() * STD + MEAN).mean(1) * 255
    return level.round().clamp(0, 255).to(torch.uint8).numpy()


def grey(fill: float) -> torch.Tensor:
    """A grey level, 0 to 255, as the model's input sees it: (3, 1, 1)."""
    if not 0 <= fill <= 255:
        raise UserError(f"The fill is a grey level from 0 to 255, not {fill}.")
    return (fill / 255 - MEAN) / STD


@torch.inference_mode()
def probability(model: nn.Module, inputs: torch.Tensor, batch_size: int = BATCH) -> np.ndarray:
    """P(COVID-19) of each input, in evaluation mode."""
    model.eval()
    batches = (b.contiguous(memory_format=torch.channels_last) for b in inputs.split(batch_size))
    return torch.cat([model(b).softmax(1)[:, 1] for b in batches]).float().cpu().numpy()


def starts(length: int, window: int, stride: int) -> np.ndarray:
    """Where the windows begin along a side; the last may stick out and is cut, as Captum does."""
    if not (isinstance(window, int | np.integer) and 1 <= window <= length):
        raise UserError(
            f"A window of {window} px does not fit an image of {length} px: choose 1 to {length}."
        )
    if not (isinstance(stride, int | np.integer) and 1 <= stride <= window):
        raise UserError(
            f"A stride of {stride} px is not possible: choose 1 to the window's {window} px, "
            "or pixels would be left out."
        )
    return np.arange(0, -(-(length - window) // stride) * stride + 1, stride)


@torch.inference_mode()
def occlusion(
    model: nn.Module,
    inputs: torch.Tensor,
    window: int,
    stride: int,
    fill: float = FILL,
    batch_size: int = BATCH,
    label: str = "occlusion",
) -> np.ndarray:
    """The drop of P(COVID-19) when a grey `window` px square covers a place: (n, height, width).

    The square moves by `stride` px. A pixel's value is the mean over the squares that cover it.
    `label` names the progress bar.

    Captum's `Occlusion` gives the same and is the tested reference. It takes one image at a time
    and a mask for each square; here batches run on from one image into the next.
    `benchmarks/occlusion.py` measures what that is worth.
    """
    checked(inputs)
    if isinstance(model, Classifier):
        model = folded(model)
    rows, columns = (starts(length, window, stride) for length in inputs.shape[2:])
    corners = [(top, left) for top in rows for left in columns]
    whole, paint = probability(model, inputs, batch_size), grey(fill).to(inputs.device)
    covered = np.empty(len(inputs) * len(corners), np.float32)
    with tqdm(total=len(covered), desc=label, unit="window", unit_scale=True) as bar:
        for jobs in np.split(np.arange(len(covered)), range(batch_size, len(covered), batch_size)):
            which, place = np.divmod(jobs, len(corners))
            batch = inputs[torch.from_numpy(which).to(inputs.device)]
            batch = batch.contiguous(memory_format=torch.channels_last)
            for picture, (top, left) in zip(batch, (corners[k] for k in place), strict=True):
                picture[:, top : top + window, left : left + window] = paint
            covered[jobs] = model(batch).softmax(1)[:, 1].float().cpu().numpy()
            bar.update(len(jobs))
    drop = (whole[:, None] - covered.reshape(len(inputs), -1)).astype(float)
    over_rows, over_columns = (
        ((at >= begin[:, None]) & (at < begin[:, None] + window)).astype(float)
        for begin, at in zip((rows, columns), map(np.arange, inputs.shape[2:]), strict=True)
    )
    grid = drop.reshape(-1, len(rows), len(columns))
    count = np.outer(over_rows.sum(0), over_columns.sum(0))
    return (over_rows.T @ grid @ over_columns / count).astype(np.float32)


def checked(inputs: torch.Tensor) -> None:
    if inputs.ndim != 4 or inputs.shape[1] != 3 or not len(inputs):
        raise UserError(
            f"Model inputs have the shape (n, 3, height, width), not {tuple(inputs.shape)}."
        )


def find_layer(model: Classifier, name: str | None = None) -> nn.Module:
    """A layer of the backbone, by default the last convolutional stage; UserError without it."""
    layers = dict(model.backbone.named_modules())
    if not any(isinstance(layer, nn.Conv2d) for layer in layers.values()):
        raise UserError("Grad-CAM needs a convolution, and this model's backbone has none.")
    name = model.last_conv if name is None else name
    if not name or name not in layers:
        there = ", ".join(key for key in layers if key and "." not in key)
        raise UserError(
            f"The backbone has no layer '{name}'. There are: {there}, and those inside."
        )
    return layers[name]


def grad_cam(
    model: Classifier, inputs: torch.Tensor, layer: str | None = None, batch_size: int = 4
) -> np.ndarray:
    """Grad-CAM of the COVID-19 logit (Selvaraju et al. 2017): (n, height, width), 0 or more.

    `layer` is a name within the backbone. Negative values are cut, as in the paper, after the
    map is enlarged bilinearly. Works on a copy of the model whose ReLUs do not overwrite their
    inputs: Captum would see the layer's values after they have been overwritten.
    """
    checked(inputs)
    find_layer(model, layer)
    model = copy.deepcopy(model).eval()
    for module in model.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = False
    method = LayerGradCam(model, find_layer(model, layer))
    found = []
    for part in inputs.split(batch_size):
        small = method.attribute(part, target=1)
        if small.ndim != 4:
            raise UserError(f"Layer '{layer}' gives no map that could be laid over the image.")
        large = LayerAttribution.interpolate(small, tuple(inputs.shape[2:]), "bilinear")
        found.append(large.detach()[:, 0].clamp(min=0).cpu())
    return torch.cat(found).numpy()
